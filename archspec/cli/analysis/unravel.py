"""The command that unravels a network. It needs neither torch nor onnx."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archspec.bounds import MAX_NODES
from archspec.cli.allowing import AllowOption
from archspec.cli.options import (
    ForceOption,
    JsonOption,
    MaxNodesOption,
    NetworkArgument,
    SetOption,
    SizeOption,
    build_graph,
    check_ending,
    check_output,
    output_option,
)
from archspec.cli.output import print_json


def unravel(
    spec: NetworkArgument,
    set_: SetOption = [],
    size: SizeOption = [],
    derivative: Annotated[
        str | None,
        typer.Option(metavar="BLOCK", help="Also the derivative with respect to a function (f1) or a body, by its id."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="All terms, up to 1,024 paths.")] = False,
    output: Annotated[Path | None, output_option("FILE.svg", "paths.svg", "a picture of the paths")] = None,
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a network as the sum of its paths: y = x + f1[x] + f2[x + f1[x]] + …"""
    from archspec.replacing import PICTURE

    check_ending(output, ".svg")
    check_output(output, PICTURE, [spec], force=force)
    from archspec.cli.tables.unravel import print_unravelling
    from compiler.analysis.paths.unravel import unravel as unravel_graph

    graph = build_graph(spec, set_, size, max_nodes, allow)
    result = unravel_graph(graph, full=full, derivative=derivative)
    if output is not None:
        from archspec.files import write_text
        from compiler.draw.unravelled import draw_unravelled

        write_text(output, draw_unravelled(graph))
    print_json(result.to_dict()) if as_json else print_unravelling(result)
