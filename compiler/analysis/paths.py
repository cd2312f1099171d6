"""How many ways lead through a network: exactly, by length, and through each block and operation; counted, never
enumerated.

A path follows operands that carry signal, from an input to an output; x + x makes two. At op level its length is the
number of operations on it, at block level the number of residual or dense bodies. By length it is a polynomial in z,
P_v = Σ P_u · z^w over the operands u of v. Where all paths meet in one node the graph falls apart: what leads up to it
and what follows are factors of a product, and most factors of a deep network are equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from archspec.errors import ArchspecError
from archspec.ops import HardSigmoid, Mul, Op, Scale, Shift, Sigmoid, Softmax, Upsample
from compiler.analysis.polynomials import Polynomial, multiply, unpack
from compiler.graph import Graph, Node

EASY = 1 << 26
"""Bits of all counts by length up to which counting them takes moments; beyond, it is done only when asked for."""
MOST = 64 * EASY
"""Beyond, it is refused: minutes, and a gigabyte."""

GATES: tuple[type[Op], ...] = (Sigmoid, HardSigmoid, Softmax)
PASSING: tuple[type[Op], ...] = (Scale, Shift, Upsample)
"""What a gate may pass on its way to the product, and stay one."""

Steps: TypeAlias = Mapping[str, tuple[tuple[str, int], ...]]
"""For each node its operands that paths follow, each with what the step from there adds to the length."""


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
    ungated: Level
    """As `block`, without the paths through gates (`find_gates`)."""
    through: Mapping[str, int]
    """How many paths pass through each residual or dense body; without it, so many fewer are left."""
    through_ops: Mapping[str, int] | None
    """How many pass through each operation; None where lengths were not counted."""

    def to_dict(self) -> dict[str, Any]:
        op, block = self.op.to_dict(), self.block.to_dict()
        op["through"] = None if self.through_ops is None else dict(self.through_ops)
        block["through"] = dict(self.through)
        return {"op": op, "block": block, "ungated": self.ungated.to_dict()}


def count_paths(graph: Graph, *, by_length: bool | None = None) -> Paths:
    """Count the paths. `by_length` None counts lengths where that is easy, True always, False never.

    Raises ArchspecError where counting them was asked for and would take minutes.
    """
    gates = find_gates(graph)
    op = _count_level(graph, _find_steps(graph, blocks=False), by_length)
    block = _count_level(graph, _find_steps(graph, blocks=True), by_length)
    ungated = _count_level(graph, _find_steps(graph, blocks=True, without=gates), by_length) if gates else block
    bodies, ops = _count_through(graph)
    return Paths(op, block, ungated, bodies, None if op.by_length is None else ops)


def find_gates(graph: Graph) -> dict[str, frozenset[int]]:
    """For each product with gates, the positions of the operands that are gates.

    An operand of `mul` is a gate where its values are those of a sigmoid, a hard sigmoid or a softmax, perhaps scaled,
    shifted or upsampled since (1 - T of a highway layer). Where all operands are, none is.
    """
    gates = {}
    for node in graph:
        if isinstance(node.op, Mul):
            found = frozenset(i for i, operand in enumerate(node.carriers) if _is_gate(graph, operand))
            if 0 < len(found) < len(node.carriers):
                gates[node.id] = found
    return gates


def _is_gate(graph: Graph, id: str) -> bool:
    node = graph[id]
    while isinstance(node.op, PASSING):
        node = graph[node.inputs[0]]
    return isinstance(node.op, GATES)


def _find_steps(graph: Graph, *, blocks: bool, without: Mapping[str, frozenset[int]] | None = None) -> Steps:
    """The steps of all nodes, of length one each, or with `blocks` only those out of a body."""
    without = without or {}
    return {
        node.id: tuple(
            (operand, enters_body(node, i) if blocks else 1)
            for i, operand in enumerate(node.carriers)
            if i not in without.get(node.id, ())
        )
        for node in graph
    }


def enters_body(node: Node, position: int) -> int:
    """What the operand at a position adds to the number of bodies on a path: 1 for the result of one."""
    return int(node.body is not None and position == len(node.inputs) - 1)


def _count_level(graph: Graph, steps: Steps, wanted: bool | None) -> Level:
    segments = list(_cut(graph, steps))
    totals = _count_outputs(graph, segments)
    work = _estimate_work(segments, totals)
    if wanted and work > MOST:
        size = f"{sum(totals.values()).bit_length():,} binary digits"
        raise ArchspecError(f"{graph.name} has too many paths to count them by length: their number has {size}")
    counted = wanted or (wanted is None and work <= EASY)
    lengths = _count_lengths(graph, segments) if counted else {}
    by_output = {name: Level(total, lengths.get(name)) for name, total in totals.items()}
    summed = _add_up(lengths.values()) if counted else None
    return Level(sum(totals.values()), summed, by_output if len(totals) > 1 else None)


@dataclass(frozen=True)
class Segment:
    """Neighbours in the order of a graph, such that all paths from before them lead through `entry`, which the inputs
    have none of, and all paths to beyond them through the last. `totals` counts the paths from the entry."""

    entry: str | None
    steps: dict[str, tuple[tuple[str, int], ...]]
    totals: Mapping[str, int]

    @property
    def last(self) -> str:
        return next(reversed(self.steps))

    @property
    def width(self) -> int:
        """Bytes that hold any count of the segment."""
        return max(self.totals.values()).bit_length() // 8 + 1

    @property
    def longest(self) -> int:
        """The length of the longest path, or more."""
        return sum(max(step for _, step in steps) for steps in self.steps.values() if steps)

    @property
    def additions(self) -> int:
        """Bytes to add up in `count_lengths`, about."""
        merges = sum(len(steps) > 1 for steps in self.steps.values())
        return merges * self.width * self.longest

    def count_lengths(self, ids: Iterable[str]) -> dict[str, Polynomial]:
        """The paths from the entry to some of the nodes, by length.

        While counting, a polynomial is an integer, with z = 256^width, and the power of z that it is multiplied by: a
        chain only moves the power, and shares the integer.
        """
        width, kept = self.width, set(ids)
        unread = Counter(operand for steps in self.steps.values() for operand, _ in steps)
        packed = {} if self.entry is None else {self.entry: (1, 0)}
        for id, steps in self.steps.items():
            terms = [(packed[operand][0], packed[operand][1] + step) for operand, step in steps] or [(1, 0)]
            packed[id] = terms[0] if len(terms) == 1 else _add_packed(terms, 8 * width)
            for operand, _ in steps:  # the integers may be long, and are kept only while they are needed
                unread[operand] -= 1
                if not unread[operand] and operand not in kept:
                    del packed[operand]
        return {id: Polynomial(packed[id][1], unpack(packed[id][0], width)) for id in kept}


def _add_packed(terms: Iterable[tuple[int, int]], bits: int) -> tuple[int, int]:
    shift = min(power for _, power in terms)
    return sum(value << bits * (power - shift) for value, power in terms), shift


def _cut(graph: Graph, steps: Steps) -> Iterator[Segment]:
    """Cut a graph after each node that all paths from before it to beyond it meet in."""
    unread = Counter(operand for taken in steps.values() for operand, _ in taken)
    awaited = {id for id in graph.inputs if unread[id]}  # results that are still to be read, and inputs
    entry: str | None = None
    part: dict[str, tuple[tuple[str, int], ...]] = {}
    totals: dict[str, int] = {}
    for id, taken in steps.items():
        part[id] = taken
        totals[id] = sum(totals[operand] for operand, _ in taken) if taken else 1
        for operand, _ in taken:
            unread[operand] -= 1
            if not unread[operand]:
                awaited.discard(operand)
        if unread[id]:
            awaited.add(id)
        if len(awaited) == 1 and id in awaited:
            yield Segment(entry, part, totals)
            entry, part, totals = id, {}, {id: 1}
    if part:
        yield Segment(entry, part, totals)


def _count_outputs(graph: Graph, segments: Iterable[Segment]) -> dict[str, int]:
    """The number of paths to each output."""
    totals: dict[str, int] = {}
    before = 1
    for segment in segments:
        totals |= {id: before * segment.totals[id] for id in graph.outputs.values() if id in segment.steps}
        before *= segment.totals[segment.last]
    return {name: totals[id] for name, id in graph.outputs.items()}


def _estimate_work(segments: Iterable[Segment], totals: Mapping[str, int]) -> int:
    """The bits of all counts by length together; more where what has to be added up in the segments takes longer."""
    bits = sum(totals.values()).bit_length() * sum(segment.longest for segment in segments)
    return max(bits, sum(segment.additions for segment in segments) // 64)


def _count_lengths(graph: Graph, segments: Iterable[Segment]) -> dict[str, Mapping[int, int]]:
    """For each output, the number of paths of each length."""
    outputs = set(graph.outputs.values())
    counted: dict[str, Mapping[int, int]] = {}
    factors: list[Polynomial] = []
    for segment in segments:
        here = outputs & segment.steps.keys()
        lengths = segment.count_lengths({*here, segment.last})
        counted |= {id: multiply([*factors, lengths[id]]).by_length for id in here}
        factors.append(lengths[segment.last])
    return {name: counted[id] for name, id in graph.outputs.items()}


def _count_through(graph: Graph) -> tuple[dict[str, int], dict[str, int]]:
    """For each body and each operation: paths from the inputs to its result, times paths from there to the outputs.

    Equal counts share one integer, since the counts of a deep network are long.
    """
    before: dict[str, int] = {}
    for node in graph:
        counts = [before[operand] for operand in node.carriers] or [1]
        before[node.id] = counts[0] if len(counts) == 1 else sum(counts)
    after: Counter[str] = Counter(graph.outputs.values())
    shared: dict[int, int] = {}
    bodies: dict[str, int] = {}
    ops: dict[str, int] = {}
    for node in reversed(list(graph)):
        for operand in node.carriers:
            after[operand] += after[node.id]
        through = before[node.id] * after[node.id]
        ops[node.id] = shared.setdefault(through, through)
        if node.body is not None:
            through = before[node.inputs[-1]] * after[node.id]
            bodies[node.body] = shared.setdefault(through, through)
    return dict(reversed(bodies.items())), dict(reversed(ops.items()))


def _add_up(levels: Iterable[Mapping[int, int]]) -> dict[int, int]:
    total: Counter[int] = Counter()
    for level in levels:
        total.update(level)
    return dict(sorted(total.items()))
