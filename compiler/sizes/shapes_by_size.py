"""Shapes of a graph that is being built as functions of its dynamic sizes: whether two nodes have one shape at all of
them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile

from archspec import ops
from archspec.ops import Op, Shape
from archspec.ops.base import Pointwise
from compiler.graph import Node
from compiler.sizes.accepted_sizes import find_equal
from compiler.sizes.extents import GraphExtents


class ShapesBySize:
    """The shapes of nodes as functions of the sizes, as far as somebody asked."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._extents = GraphExtents(sizes)

    def are_one(self, nodes: dict[str, Node], one: Node, other: Node) -> bool:
        """Tell whether two of the nodes so far have equal shapes at every size that fits."""
        if one.shape != other.shape or not self._extents.sizes:
            return one.shape == other.shape
        return _are_chained(nodes, one, other) or self._are_equal(nodes, one, other)

    def find_sizes(self, nodes: dict[str, Node], node: Node, axis: int) -> frozenset[str]:
        """Find the sizes that an extent of one of the nodes so far follows."""
        if not self._extents.sizes or (axis == 0 and node.shape.rank):
            return frozenset()
        self._add_new(nodes)
        return self._extents.letters(self._extents.of[node.id][axis : axis + 1])

    def _are_equal(self, nodes: dict[str, Node], one: Node, other: Node) -> bool:
        self._add_new(nodes)
        pairs = {*zip(self._extents.of[one.id], self._extents.of[other.id], strict=True)}
        return find_equal(self._extents, pairs) == pairs

    def _add_new(self, nodes: dict[str, Node]) -> None:
        new = [*takewhile(lambda id: id not in self._extents.of, reversed(nodes))]
        for id in reversed(new):
            self._extents.add(nodes[id])


def _are_chained(nodes: dict[str, Node], one: Node, other: Node) -> bool:
    """Tell whether a chain of layers leads from one node to the other, each of which keeps the extents of any map. Most
    residual bodies are such, and to derive functions for all took two fifths of a compilation."""
    while other.id != one.id:
        if len(other.inputs) != 1 or not _keeps_extents(other.op, nodes[other.inputs[0]].shape):
            return False
        other = nodes[other.inputs[0]]
    return True


def _keeps_extents(op: Op, x: Shape) -> bool:
    """Tell whether an operation keeps the extents of x, and of any other map."""
    if isinstance(op, ops.Conv | ops.MaxPool | ops.AvgPool):
        return all(window.stride == 1 and window.padding == window.reach - 1 for window in op.windows(x))
    return type(op).infer is Pointwise.infer or isinstance(op, ops.Normalization)  # an extension may say otherwise
