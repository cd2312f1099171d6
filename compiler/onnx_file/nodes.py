"""The nodes of a model, with those of the branches and bodies that they hold, and what they read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import onnx


def find_captured(node: onnx.NodeProto) -> list[str]:
    """Find the names that the branches and loops of a node read from around it, and others that are their own."""
    names: dict[str, None] = {}
    todo = find_graphs(node)
    while todo:
        graph = todo.pop()
        for inner in graph.node:
            names.update(dict.fromkeys(inner.input))
            todo += find_graphs(inner)
        names.update(dict.fromkeys(item.name for item in graph.output))
    return list(names)


def find_graphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """Find the branches and bodies that a node holds."""
    held = [item for item in node.attribute if item.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)]
    return [graph for item in held for graph in (item.g, *item.graphs)]


def walk_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Yield nodes, and those of the branches and bodies that they hold."""
    todo = list(nodes)
    while todo:
        node = todo.pop()
        yield node
        todo += [inner for graph in find_graphs(node) for inner in graph.node]


def count_reads(graph: onnx.GraphProto) -> Counter[str]:
    """Count how often each name is read, by nodes and by the outside."""
    counts = Counter(item.name for item in graph.output)
    for node in graph.node:
        counts.update((*node.input, *find_captured(node)))
    return counts
