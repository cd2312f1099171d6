"""The command that proves a model file again."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import typer

from archspec.bounds import MAX_NODES, MAX_WHOLE
from archspec.cli.allowing import AllowOption, load_allowed
from archspec.cli.ending import COULD_NOT, FINDINGS
from archspec.cli.options import (
    JsonOption,
    MaxNodesOption,
    ModelArgument,
    SeedOption,
    SetOption,
    SizeOption,
    ThreadsOption,
    on_threads,
    parse_params,
    parse_sizes,
    refuse_idle,
    shared_option,
)
from archspec.cli.output import print_json
from archspec.errors import ArchspecError


def verify(
    model: ModelArgument,
    against: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="SPEC WEIGHTS", help="What it was exported from: compare it with torch."),
    ] = None,
    set_: SetOption = [],
    size: SizeOption = [],
    batch: Annotated[
        list[int],
        shared_option("--batch", min=1, max=MAX_WHOLE, metavar="N", note="may be repeated; default: several"),
    ] = [],
    tolerance: Annotated[
        float | None,
        typer.Option(min=0, help="How far off, of the largest number (default: 1e-4 in fp32, by the file's type)."),
    ] = None,
    seed: SeedOption = 0,
    provider: Annotated[
        list[str],
        shared_option(
            "--provider", metavar="NAME", note="may be repeated; default: cpu, whose numbers are the same everywhere"
        ),
    ] = [],
    threads: ThreadsOption = None,
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    as_json: JsonOption = False,
) -> None:
    """Prove a model file again: sound, finite, equal to a second witness, and with --against equal to torch.

    Exits 0 where it is, and 1 where not; then the first node is named whose own result differs.
    """
    from archspec import api
    from archspec.cli.progress import show_work
    from archspec.cli.tables.verify import print_verification

    refuse_idle("--set", set_ or None, against is None, "--against SPEC WEIGHTS")
    sizes = parse_sizes(size)
    original, told = None, dict[str, str]()
    if against is not None:
        from runtime.export.weights import check_fit, list_sizes, read_weights

        loaded = api.load(against[0], parse_params(set_), extensions=load_allowed(allow))
        chosen = {name: value for name, value in _own_sizes(model, sizes).items() if name in list_sizes(loaded)}
        graph = api.elaborate(loaded, chosen, max_nodes=max_nodes)
        weights, told = read_weights(against[1])
        check_fit(against[1], weights, graph, loaded, chosen)
        original = graph, weights
    with show_work(f"verifying {model}") as follow, on_threads(threads, torch=against is not None):
        found = api.verify_model(
            model,
            original,
            batches=batch,
            sizes=sizes,
            tolerance=tolerance,
            seed=seed,
            providers=provider or None,
            metadata=told,
            on_check=follow,
        )
    print_json(found.to_dict()) if as_json else print_verification(found)
    if not found.passed:
        raise typer.Exit(FINDINGS if model.is_file() else COULD_NOT)


def _own_sizes(model: Any, sizes: dict[str, int]) -> dict[str, int]:
    """The sizes that a file was written for; where it does not say, those given here."""
    from runtime.session.model_file import ModelFile
    from runtime.session.sizes import name_sizes

    with suppress(ArchspecError):  # what is wrong with the file is what the verification says
        file = ModelFile.open(model)
        own = {name: size.value for name, size in file.sizes.items()}
        return {**name_sizes(sizes, file.inputs), **own}
    return sizes
