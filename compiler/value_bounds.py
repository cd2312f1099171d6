"""The bounds between which the values of a network lie, whatever its input and its learned weights, at training or at
inference: they say where an activation is idle, or a sum only grows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from archspec.ops import Bounds, Mul, Op
from compiler.graph import Graph, Node


def find_bounds(graph: Graph) -> dict[str, Bounds]:
    """Find the bounds of every node's values."""
    bounds: dict[str, Bounds] = {}
    for node in graph:
        bounds[node.id] = bound_node(node, [bounds[operand] for operand in node.data_inputs])
    return bounds


def bound_node(node: Node, operands: Sequence[Bounds]) -> Bounds:
    """Find the bounds of a node's values, for operands within these."""
    if isinstance(node.op, Mul):  # a value times itself is a square
        found = dict(zip(node.data_inputs, operands, strict=True))
        return node.op.bound(*(found[id].power(count) for id, count in Counter(node.data_inputs).items()))
    return node.op.bound(*operands)


def is_idle(op: Op, x: Bounds) -> bool:
    """Tell whether an operation changes no number within these bounds."""
    return op.identity_on is not None and op.identity_on.holds(x)
