"""The command `show`: the layers of a network as a tree."""

from __future__ import annotations

from typing import Annotated

from archspec.bounds import MAX_NODES
from archspec.cli.allowing import AllowOption
from archspec.cli.options import (
    JsonOption,
    MaxNodesOption,
    NetworkArgument,
    SetOption,
    SizeOption,
    build_graph,
    shared_option,
)
from archspec.cli.output import print_json


def show(
    spec: NetworkArgument,
    depth: Annotated[int | None, shared_option("--depth", min=1, metavar="N", note="default: all")] = None,
    set_: SetOption = [],
    size: SizeOption = [],
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    as_json: JsonOption = False,
) -> None:
    """Show the layers as a tree: shapes, parameters, MACs; repeats are folded."""
    from archspec.cli.tables.specs import print_tree
    from compiler.analysis.outline import fold_tree
    from compiler.analysis.unknown import find_unknown

    graph = build_graph(spec, set_, size, max_nodes, allow)
    tree = fold_tree(graph)
    if not as_json:
        print_tree(graph, tree, depth)
        return
    unknown = find_unknown(graph)
    print_json({"sizes": dict(graph.sizes), **tree.to_dict(depth), **({"unknown": unknown} if unknown else {})})
