"""The types of numbers in which a file keeps its weights and its values; a spec leaves that to whoever runs it."""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

from archspec import ops
from archspec.ops import Op
from compiler.graph import Graph

Types: TypeAlias = dict[str, dict[str, int]]
"""Counts by type: of stored numbers (`weights`), and of operations by the type of their results (`values`)."""


def count_operands(graph: Graph) -> int:
    """Count the parameters of a graph that was read from a file that stand where any value may: in sums, products and
    joins, where a file does not tell what was trained from tables and masks."""
    brought = ((node.op, *item) for node in graph for item in (node.stored or {}).items())
    return sum(weight.numel for op, name, weight in brought if weight.trainable and _is_operand(op, name))


def _is_operand(op: Op, name: str) -> bool:
    """Tell whether a weight has a number for each position, as tables have, or is none that its operation names."""
    by_position = isinstance(op, ops.Learned) or (isinstance(op, ops.Scale | ops.Shift) and op.per == "position")
    return by_position or name.startswith("value_")


def count_types(graph: Graph) -> Types:
    """Count the types of a graph that was read from a file, the most frequent ones first; none of others."""
    values = Counter(node.type or "" for node in graph if node.inputs)
    if not any(values) and all(node.stored is None for node in graph):  # a spec says nothing of types
        return {}
    weights: Counter[str] = Counter()
    for weight in graph.weights.values():
        weights[weight.type or ""] += weight.numel
    counts = {"weights": weights, "values": values}
    said = {what: {type: n for type, n in found.most_common() if type} for what, found in counts.items()}
    return {what: found for what, found in said.items() if found}
