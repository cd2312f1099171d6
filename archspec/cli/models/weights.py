"""Commands on weights: convert."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from archspec.bounds import MAX_NODES
from archspec.cli.commands import PlainCommand, PlainGroup
from archspec.cli.ending import COULD_NOT
from archspec.cli.examples import tell_examples
from archspec.cli.options import (
    ForceOption,
    JsonOption,
    MaxNodesOption,
    SetOption,
    SizeOption,
    output_option,
    parse_params,
    parse_sizes,
    refuse_replacing,
)
from archspec.cli.output import print_json, tell

weights = typer.Typer(
    name="weights",
    cls=PlainGroup,
    help="Take over weights that other libraries trained.",
    no_args_is_help=True,
    add_completion=False,
)


@weights.callback()
def group() -> None:
    """Take over weights that other libraries trained."""


@weights.command(cls=PlainCommand, epilog=tell_examples("weights convert"))
def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A state dict: safetensors, or .pth, .pt, .bin.")],
    to: Annotated[str, typer.Option("--to", metavar="SPEC", help="A file, or a name in the zoo.")],
    output: Annotated[Path, output_option("W.safetensors", "weights.safetensors", "the weights")],
    source: Annotated[
        str,
        typer.Option("--from", metavar="NAME", help="Whose names: torchvision, timm, archspec (its own) or auto."),
    ] = "auto",
    set_: SetOption = [],
    size: SizeOption = [],
    max_nodes: MaxNodesOption = MAX_NODES,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Convert a state dict of torchvision or timm to a spec's names, by the rules beside it (SPEC.weights.yaml); one of
    the spec's own names, as torch saves it, needs none.

    Every weight of the spec needs a tensor of its shape, and every tensor a weight; else nothing is written, and what
    did not match is listed.
    """
    from archspec import api
    from archspec.cli.progress import show_work
    from archspec.file_types import check_says_its_kind
    from archspec.files import as_argument, check_absent
    from archspec.weights import find_rules, match_weights, write_converted

    refuse_replacing(output, [file, to])
    check_says_its_kind(output, "weights", ".safetensors")
    check_absent(output, force=force)
    spec = api.load(to, parse_params(set_))
    graph = api.elaborate(spec, parse_sizes(size), max_nodes=max_nodes)
    with show_work(f"converting {file}"):
        conversion = match_weights(file, graph, find_rules(to, spec.params), source)
        if conversion.is_whole or not as_json:
            write_converted(output, graph, conversion)
    if not conversion.is_whole:
        print_json({"file": None, **conversion.to_dict()})
        raise typer.Exit(COULD_NOT)
    if as_json:
        print_json({"file": str(output), **conversion.to_dict()})
        return
    tell(f"wrote {output}: {len(conversion.pairs)} weights by the names of {' and '.join(conversion.sources)}")
    if conversion.ignored:
        tell(f"  {len(conversion.ignored)} counters of batches (num_batches_tracked) are left out: nothing reads them")
    pairs = [("--set", pair) for pair in set_] + [("--size", pair) for pair in size]
    chosen = "".join(f" {option} {shlex.quote(pair)}" for option, pair in pairs)
    tell(f"next: archspec export {as_argument(to)}{chosen} --weights {as_argument(output)}")
