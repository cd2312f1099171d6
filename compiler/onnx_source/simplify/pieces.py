"""The pieces of one operation: each alone reads the one before, and brings its stored tensors."""

from __future__ import annotations

from collections.abc import Iterable

from archspec.ops import Scale, Shift, Weight
from compiler.graph import Graph, Node


def only_reader(graph: Graph, node: Node) -> Node | None:
    """Find the node that alone reads this one's result, which is no output."""
    readers = graph.readers[node.id]
    return graph[readers[0]] if len(readers) == 1 and node.id not in graph.outputs.values() else None


def is_by_channel(node: Node, kind: type[Scale] | type[Shift]) -> bool:
    """True if a node scales or shifts by stored numbers, one for each channel."""
    return isinstance(node.op, kind) and node.op.trainable and node.op.per == "channel"


def take_over(pieces: Iterable[tuple[str, Node]]) -> dict[str, Weight]:
    """Take over the stored tensors of nodes that become part of another, by their short names there."""
    brought = {name: list((piece.stored or {}).values()) for name, piece in pieces}
    return {
        f"{name}_{number}" if number else name: weight
        for name, weights in brought.items()
        for number, weight in enumerate(weights)
    }
