"""The nodes of a model in an order in which each reads what is there already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx

from archspec.errors import ArchspecError
from archspec.wording import cut
from compiler.onnx_file.nodes import find_captured
from compiler.onnx_source.file.names import name_node


def sort_nodes(path: Path, graph: onnx.GraphProto) -> list[tuple[int, onnx.NodeProto]]:
    """Sort the nodes in topological order, which is the file's own where that is one, each with its number in the file.

    Raises ArchspecError where a name is computed twice or never, or nodes read each other in a circle.
    """
    nodes = list(graph.node)
    makers = _find_makers(path, graph)
    given = {item.name for item in (*graph.input, *graph.initializer)} | {""}
    given |= {item.values.name for item in graph.sparse_initializer}
    done: set[int] = set()
    order: list[tuple[int, onnx.NodeProto]] = []
    for start in range(len(nodes)):
        stack = [] if start in done else [(start, _find_needs(path, nodes[start], makers, given))]
        waiting = {start}
        while stack:
            here, needs = stack[-1]
            need = next((maker for maker in needs if maker not in done), None)
            if need is None:
                stack.pop()
                done.add(here)
                order.append((here, nodes[here]))
            elif need in waiting:
                numbers = [number for number, _ in stack]
                circle = [*numbers[numbers.index(need) :][:6], need]
                names = ", which reads ".join(name_node(nodes[number]) for number in circle)
                raise ArchspecError(f"{path}: nodes form a circle: {names}")
            else:
                waiting.add(need)
                stack.append((need, _find_needs(path, nodes[need], makers, given)))
    return order


def _find_needs(path: Path, node: onnx.NodeProto, makers: dict[str, int], given: set[str]) -> Iterator[int]:
    """The nodes that compute what a node reads."""
    for name in node.input:
        if name in makers:
            yield makers[name]
        elif name not in given:
            raise ArchspecError(f"{path}: node {name_node(node)} reads '{cut(name, 80)}', which nothing computes")
    yield from (makers[name] for name in find_captured(node) if name in makers)


def _find_makers(path: Path, graph: onnx.GraphProto) -> dict[str, int]:
    """Find which node computes each name."""
    makers: dict[str, int] = {}
    taken = {item.name for item in (*graph.input, *graph.initializer)}
    for number, node in enumerate(graph.node):
        for name in filter(None, node.output):
            if name in taken:
                raise ArchspecError(
                    f"{path}: node {name_node(node)} computes '{cut(name, 80)}', which is there already"
                )
            taken.add(name)
            makers[name] = number
    return makers
