"""The command `diff`: what changed between two networks."""

from __future__ import annotations

from typing import Annotated

import typer

from archspec.bounds import MAX_NODES
from archspec.cli.allowing import AllowOption
from archspec.cli.ending import FINDINGS
from archspec.cli.options import (
    BatchOption,
    JsonOption,
    MaxNodesOption,
    OptimizerOption,
    PrecisionOption,
    SetOption,
    SizeOption,
    build_graph,
)
from archspec.cli.output import print_json


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A file, a name in the zoo, or an ONNX model.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The one to compare it with.")],
    set_: SetOption = [],
    set_a: Annotated[list[str], typer.Option("--set-a", metavar="PARAM=VALUE", help="For A alone.")] = [],
    set_b: Annotated[list[str], typer.Option("--set-b", metavar="PARAM=VALUE", help="For B alone.")] = [],
    size: SizeOption = [],
    size_a: Annotated[list[str], typer.Option("--size-a", metavar="SIZE=VALUE", help="For A alone.")] = [],
    size_b: Annotated[list[str], typer.Option("--size-b", metavar="SIZE=VALUE", help="For B alone.")] = [],
    batch: BatchOption = 1,
    precision: PrecisionOption = None,
    optimizer: OptimizerOption = "momentum",
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 1 if there is a difference.")] = False,
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    as_json: JsonOption = False,
) -> None:
    """Show what changed between two networks: layers, how they are joined, and the numbers."""
    from archspec.cli.tables.diff import print_diff
    from compiler.analysis.compare.diff import diff_graphs
    from compiler.analysis.memory.setup import TrainingSetup

    first = build_graph(a, [*set_, *set_a], [*size, *size_a], max_nodes, allow)
    second = build_graph(b, [*set_, *set_b], [*size, *size_b], max_nodes, allow)
    found = diff_graphs(first, second, TrainingSetup(batch, precision, optimizer))
    print_json(found.to_dict()) if as_json else print_diff(found)
    if exit_code and not found.equal:
        raise typer.Exit(FINDINGS)
