"""A witness of equal structure."""

from __future__ import annotations

from typing import Any

import networkx as nx

from compiler.graph import Graph


def are_isomorphic(a: Graph, b: Graph) -> bool:
    """The witness: networkx, on operations, shapes and the positions of operands."""

    def same_node(x: Any, y: Any) -> bool:
        return bool(x["node"].op == y["node"].op and x["node"].shape == y["node"].shape)

    def same_edges(x: Any, y: Any) -> bool:
        return set(x) == set(y)

    return bool(nx.is_isomorphic(a.digraph, b.digraph, same_node, same_edges))
