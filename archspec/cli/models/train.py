"""The command `train`: a spec and a data set → a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from archspec.bounds import MAX_NODES, MAX_WHOLE
from archspec.cli.allowing import AllowOption, load_allowed
from archspec.cli.completion import complete_data
from archspec.cli.options import (
    JsonOption,
    MaxNodesOption,
    SeedOption,
    SetOption,
    SizeOption,
    SpecArgument,
    ThreadsOption,
    parse_params,
    parse_sizes,
    refuse_idle,
    shared_option,
)
from archspec.cli.output import print_json, tell


def train(
    spec: SpecArgument,
    data: Annotated[
        str,
        shared_option(
            "--data", metavar="NAME", autocompletion=complete_data, note="a name: digits, digit_maps or digit_points"
        ),
    ],
    output: Annotated[
        Path | None, shared_option("--output", "-o", metavar="RUN", note="a folder; default: runs/NAME, or NAME-2, …")
    ] = None,
    force: Annotated[bool, shared_option("--force", note="a run that is in the folder")] = False,
    set_: SetOption = [],
    size: SizeOption = [],
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 30,
    batch: Annotated[int, shared_option("--batch", min=1, max=MAX_WHOLE, metavar="N", note="of a step")] = 32,
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", "--lr", help="The highest, after the warm-up.")
    ] = 0.05,
    ramp_drop: Annotated[
        bool,
        typer.Option("--ramp-drop", help="Let survival in stochastic depth and ShakeDrop fall from 1 to its value."),
    ] = False,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    as_json: JsonOption = False,
) -> None:
    """Train on a data set; leaves spec.yaml, weights.safetensors and metrics.jsonl in the run's folder."""
    from archspec import api
    from archspec.cli.progress import follow_training
    from runtime.training.recipe import Recipe
    from runtime.training.run_folder import write_export

    settings = Recipe(
        epochs=epochs, batch=batch, learning_rate=learning_rate, ramp_drop=ramp_drop, seed=seed, threads=threads
    )
    loaded = api.load(spec, parse_params(set_), extensions=load_allowed(allow))
    refuse_idle("--force", force or None, output is None, "-o RUN")
    with _find_folder(output, loaded.name) as folder, follow_training() as on_step:
        result = api.train(
            loaded,
            data,
            folder,
            settings,
            on_step=on_step,
            force=force,
            sizes=parse_sizes(size),
            max_nodes=max_nodes,
        )
    if as_json:
        print_json({**result.to_dict(), "folder": str(folder)})
        return
    scores = ", ".join(f"test {name.replace('_', ' ')} {score:.4f}" for name, score in result.test_scores.items())
    tell(f"{scores} on {result.test_images} held-out images; {result.seconds:.0f} s")
    tell(f"wrote {folder}/: spec.yaml, weights.safetensors, metrics.jsonl")
    tell(f"next: {write_export(folder)}{f' --max-nodes {max_nodes}' if max_nodes > MAX_NODES else ''}")


@contextmanager
def _find_folder(output: Path | None, name: str) -> Iterator[Path]:
    """The folder that was chosen, or one that is new, which is gone again where nothing got into it."""
    if output is not None:
        yield output
        return
    from runtime.training.run_folder import claim_folder

    folder = claim_folder(name)
    if folder.name != name:
        tell(f"{folder.with_name(name)} is there already: this run goes to {folder}", stderr=True)
    try:
        yield folder
    finally:
        with suppress(OSError):  # it is not empty
            folder.rmdir()
