"""Commands that analyse a network. None of them needs torch or onnx, but to measure."""

from __future__ import annotations

from typing import Annotated

import typer

from archspec.cli.options import (
    MAX_NODES,
    JsonOption,
    MaxNodesOption,
    SetOption,
    SizeOption,
    SpecArgument,
    build_graph,
    print_json,
)


def analyze(
    spec: SpecArgument,
    set_: SetOption = [],  # noqa: B006
    size: SizeOption = [],  # noqa: B006
    batch: Annotated[int, typer.Option(min=1, help="Samples in a batch, for the activations' bytes.")] = 1,
    paths: Annotated[bool, typer.Option("--paths", help="Paths by length, and through each block.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Everything that can be asked for.")] = False,
    max_nodes: MaxNodesOption = MAX_NODES,
    as_json: JsonOption = False,
) -> None:
    """Count parameters, buffers, MACs, activations and paths, exactly and without torch."""
    from archspec import api

    paths = paths or everything
    report = api.analyze(build_graph(spec, set_, size, max_nodes), by_length=paths or None)
    if as_json:
        result = report.to_dict()
        if everything:
            result["nodes"] = [node.to_dict() for node in report.cost.nodes]
        result["activations"] |= {"batch": batch, "bytes_fp32": 4 * batch * report.cost.activations}
        print_json(result)
        return
    from archspec.cli.tables.report import print_report

    print_report(report, batch=batch, paths=paths)
