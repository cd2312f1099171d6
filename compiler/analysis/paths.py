"""How many ways lead through a network: exactly, by length, and through each block; counted, never enumerated.

A path follows operands that carry signal, from an input to an output; x + x makes two. At op level its length is the
number of operations on it, at block level the number of residual or dense bodies. By length it is a polynomial in z,
P_v = Σ P_u · z^w over the operands u of v, and one Python integer holds it: z = 2^bits, wide enough for every
coefficient, so that adding polynomials is adding integers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from archspec.ops import Input
from compiler.graph import Graph, Node

EASY = 1 << 35
"""Bits to add up to which counting by length takes a few seconds; beyond, it is done only when asked for."""


@dataclass(frozen=True)
class Level:
    """Counts at one level. `by_length` is None where it was not counted."""

    total: int
    by_length: Mapping[int, int] | None
    by_output: Mapping[str, Level] | None = None

    def to_dict(self) -> dict[str, Any]:
        lengths = None if self.by_length is None else {str(length): count for length, count in self.by_length.items()}
        result: dict[str, Any] = {"total": self.total, "by_length": lengths}
        if self.by_output is not None:
            result["by_output"] = {name: level.to_dict() for name, level in self.by_output.items()}
        return result


@dataclass(frozen=True)
class Paths:
    """Paths from the inputs to the outputs; with several outputs the counts are sums."""

    op: Level
    block: Level
    through: Mapping[str, int]
    """How many paths pass through each residual or dense body."""

    def to_dict(self) -> dict[str, Any]:
        return {"op": self.op.to_dict(), "block": {**self.block.to_dict(), "through": dict(self.through)}}


def count_paths(graph: Graph, *, by_length: bool | None = None) -> Paths:
    """Count the paths. `by_length` None counts lengths where that is easy, True always, False never."""
    before = _totals(graph)
    totals = {name: before[id] for name, id in graph.outputs.items()}
    levels = []
    for step in (_op_step, _block_step):
        lengths = _count_lengths(graph, totals, step, by_length)
        by_output = {name: Level(total, lengths[name] if lengths else None) for name, total in totals.items()}
        summed = _add_up(lengths.values()) if lengths else None
        levels.append(Level(sum(totals.values()), summed, by_output if len(totals) > 1 else None))
    return Paths(levels[0], levels[1], _count_through(graph, before))


def _op_step(node: Node, position: int) -> int:
    return 1


def _block_step(node: Node, position: int) -> int:
    return int(node.body is not None and position == len(node.inputs) - 1)


def _totals(graph: Graph) -> dict[str, int]:
    """The number of paths from the inputs to each node."""
    totals: dict[str, int] = {}
    for node in graph:
        totals[node.id] = 1 if isinstance(node.op, Input) else sum(totals[operand] for operand in node.carriers)
    return totals


def _count_through(graph: Graph, before: Mapping[str, int]) -> dict[str, int]:
    """For each body: paths from the inputs to its result, times paths from its merge to the outputs."""
    after: Counter[str] = Counter(graph.outputs.values())
    through: dict[str, int] = {}
    for node in reversed(list(graph)):
        for operand in node.carriers:
            after[operand] += after[node.id]
        if node.body is not None:
            through[node.body] = before[node.inputs[-1]] * after[node.id]
    return dict(reversed(through.items()))


def _count_lengths(
    graph: Graph, totals: Mapping[str, int], step: Callable[[Node, int], int], wanted: bool | None
) -> dict[str, dict[int, int]] | None:
    """For each output, the number of paths of each length."""
    longest = _longest(graph, step)
    bits = -(-(sum(totals.values()).bit_length() + 1) // 8) * 8
    merges = sum(len(node.carriers) > 1 for node in graph)
    if wanted is False or (wanted is None and merges * bits * longest > EASY):
        return None
    remaining = Counter(operand for node in graph for operand in node.carriers)
    remaining.update(graph.outputs.values())
    # A polynomial is (integer, shift): a chain only moves the shift, and shares the integer.
    packed: dict[str, tuple[int, int]] = {}
    for node in graph:
        if isinstance(node.op, Input):
            packed[node.id] = (1, 0)
            continue
        terms = [(packed[u][0], packed[u][1] + step(node, position)) for position, u in enumerate(node.carriers)]
        shift = min(term[1] for term in terms)
        head, *rest = terms
        value = head[0] << (bits * (head[1] - shift))
        for number, own in rest:
            value += number << (bits * (own - shift))
        packed[node.id] = (value, shift)
        for operand in node.carriers:
            remaining[operand] -= 1
            if not remaining[operand]:
                del packed[operand]
    return {name: _unpack(*packed[id], bits // 8) for name, id in graph.outputs.items()}


def _longest(graph: Graph, step: Callable[[Node, int], int]) -> int:
    lengths: dict[str, int] = {}
    for node in graph:
        lengths[node.id] = max((lengths[u] + step(node, i) for i, u in enumerate(node.carriers)), default=0)
    return max(lengths.values())


def _unpack(value: int, shift: int, width: int) -> dict[int, int]:
    """The coefficients that are not zero, by power; each is `width` bytes of the packed integer."""
    data = value.to_bytes(-(-value.bit_length() // 8), "little")
    coefficients = (int.from_bytes(data[start : start + width], "little") for start in range(0, len(data), width))
    return {shift + power: count for power, count in enumerate(coefficients) if count}


def _add_up(levels: Iterable[Mapping[int, int]]) -> dict[int, int]:
    total: Counter[int] = Counter()
    for level in levels:
        total.update(level)
    return dict(sorted(total.items()))
