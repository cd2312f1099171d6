"""Paths one by one, the witness of counts."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.graph import Graph


def enumerate_paths(graph: Graph) -> Iterator[list[str]]:
    """Every path, one by one: the witness for small graphs."""

    def back(id: str) -> Iterator[list[str]]:
        node = graph[id]
        if not node.inputs:
            yield [id]
        for operand in node.data_inputs:
            for path in back(operand):
                yield [*path, id]

    for id in graph.outputs.values():
        yield from back(id)
