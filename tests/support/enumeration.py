"""Paths one by one, and products term by term: the witnesses of counts."""

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


def convolve(a: list[int], b: list[int]) -> list[int]:
    """The coefficients of the product of two polynomials."""
    product = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            product[i + j] += x * y
    return product
