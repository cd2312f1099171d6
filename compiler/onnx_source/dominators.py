"""For each node the last one before it that every way from the inputs passes."""

from __future__ import annotations

from collections.abc import Mapping

from compiler.graph import Graph

Dominators = Mapping[str, str | None]


def find_dominators(graph: Graph) -> Dominators:
    """The immediate dominator of each node; None where there is none, as of an input.

    In topological order it is the nearest common ancestor of the operands in the tree of dominators so far. Each node
    of the tree has a second link, far up, so that two of any depth meet after a logarithm of steps (Myers, "An
    applicative random-access stack", 1983).
    """
    above: dict[str, str | None] = {}
    depth: dict[str | None, int] = {None: 0}
    far: dict[str | None, str | None] = {None: None}

    def lift(id: str | None, level: int) -> str | None:
        while depth[id] > level:
            id = far[id] if depth[far[id]] >= level else above[id]  # type: ignore[index]
        return id

    def meet(a: str | None, b: str | None) -> str | None:
        a, b = lift(a, min(depth[a], depth[b])), lift(b, min(depth[a], depth[b]))
        while a != b:
            apart = far[a] != far[b]
            a, b = (far[a], far[b]) if apart else (above[a], above[b])  # type: ignore[index]
        return a

    for node in graph:
        parent: str | None = None
        for position, operand in enumerate(node.carriers):
            parent = meet(parent, operand) if position else operand
        above[node.id], depth[node.id] = parent, depth[parent] + 1
        jump = far[parent]
        even = depth[parent] - depth[jump] == depth[jump] - depth[far[jump]]
        far[node.id] = far[jump] if even else parent
    return above
