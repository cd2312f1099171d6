"""The number of ways that lead through a network: exactly, by length, and through each block and operation; counted,
never enumerated.

A path follows operands that carry signal, from an input to an output; x + x makes two. At op level its length is the
number of operations on it, at block level the number of residual or dense bodies. By length it is a polynomial in z,
P_v = Σ P_u · z^w over the operands u of v. Where all paths meet in one node the graph falls apart: what leads up to it
and what follows are factors of a product, and most factors of a deep network are equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from archspec.errors import ArchspecError
from compiler.analysis.paths.polynomials import Polynomial, multiply, unpack
from compiler.graph import Graph, Node

MAX_UNASKED_BITS = 1 << 26
"""The largest size, in bits, of all counts by length that are counted without being asked for: it takes moments."""
MAX_BITS = 64 * MAX_UNASKED_BITS
"""The largest size, in bits, of all counts by length that are counted at all: more take minutes and a gigabyte."""

Steps: TypeAlias = Mapping[str, tuple[tuple[str, int], ...]]
"""The operands of each node that paths follow, each with what the step from there adds to the length."""


@dataclass(frozen=True)
class PathCounts:
    """The counts at one level. `by_length` is None where it was not counted."""

    total: int
    by_length: Mapping[int, int] | None
    by_output: Mapping[str, PathCounts] | None = None

    def to_dict(self) -> dict[str, Any]:
        lengths = None if self.by_length is None else {str(length): count for length, count in self.by_length.items()}
        result: dict[str, Any] = {"total": self.total, "by_length": lengths}
        if self.by_output is not None:
            result["by_output"] = {name: level.to_dict() for name, level in self.by_output.items()}
        return result


@dataclass(frozen=True)
class Paths:
    """The paths from the inputs to the outputs; with several outputs the counts are sums."""

    op: PathCounts
    block: PathCounts
    ungated: PathCounts
    """The paths of `block` without those through gates (`find_gates`)."""
    through: Mapping[str, int]
    """The number of paths that pass through each residual or dense body; without it, so many fewer are left."""
    through_ops: Mapping[str, int] | None
    """The number of paths that pass through each operation; None where lengths were not counted."""

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
    """Find for each product with gates, each quotient, each attention and each deformable convolution the positions of
    the operands that are gates.

    An operand of `mul` is a gate where its values are those of a sigmoid, a hard sigmoid or a softmax, perhaps scaled,
    shifted or upsampled since (1 - T of a highway layer). Where all operands are, none is. A divisor is a gate whatever
    it is: it sets how much of the dividend passes. Of attention query and key are, of which its shares are made; of a
    deformable convolution offset and mask, which choose and weigh what it takes.
    """
    gates = {}
    for node in graph:
        if len(node.inputs) < 2:
            continue
        found = node.op.gated_by([_is_gate(graph, operand) for operand in node.data_inputs])
        if 0 < len(found) < len(node.data_inputs):
            gates[node.id] = found
    return gates


def _is_gate(graph: Graph, id: str) -> bool:
    node = graph[id]
    while node.op.gating == "passes":
        node = graph[node.inputs[0]]
    return node.op.gating == "gate"


def _find_steps(graph: Graph, *, blocks: bool, without: Mapping[str, frozenset[int]] | None = None) -> Steps:
    """The steps of all nodes, of length one each, or with `blocks` only those out of a body."""
    without = without or {}
    steps: dict[str, tuple[tuple[str, int], ...]] = {}
    for node in graph:
        if blocks and node.body is not None:
            taken = [(operand, enters_body(node, i)) for i, operand in enumerate(node.data_inputs)]
        else:
            taken = [(operand, 0 if blocks else 1) for operand in node.data_inputs]
        if node.id in without:
            taken = [step for i, step in enumerate(taken) if i not in without[node.id]]
        steps[node.id] = tuple(taken)
    return steps


def enters_body(node: Node, position: int) -> int:
    """Give what the operand at a position adds to the number of bodies on a path: 1 for the result of one, else 0."""
    return int(node.body is not None and position == len(node.inputs) - 1)


def _count_level(graph: Graph, steps: Steps, wanted: bool | None) -> PathCounts:
    segments = list(_cut(graph, steps))
    totals = _count_outputs(graph, segments)
    work = _estimate_work(segments, totals)
    if wanted and work > MAX_BITS:
        size = f"{sum(totals.values()).bit_length():,} binary digits"
        raise ArchspecError(f"{graph.name} has too many paths to count them by length: their number has {size}")
    counted = wanted or (wanted is None and work <= MAX_UNASKED_BITS)
    lengths = _count_lengths(graph, segments) if counted else {}
    by_output = {name: PathCounts(total, lengths.get(name)) for name, total in totals.items()}
    summed = _add_up(lengths.values()) if counted else None
    return PathCounts(sum(totals.values()), summed, by_output if len(totals) > 1 else None)


@dataclass(frozen=True)
class Section:
    """A section of a graph between two cuts: for each node the places of its operands, and what the step from there
    adds to the length. Place 0 has the node before the cut, which all paths meet in; inputs and learned values, at
    which paths begin, have no operands."""

    steps: tuple[tuple[tuple[int, int], ...], ...]

    @cached_property
    def totals(self) -> tuple[int, ...]:
        """The number of paths to each place."""
        totals = [1]
        for steps in self.steps:
            totals.append(sum(totals[place] for place, _ in steps) if steps else 1)
        return tuple(totals)

    @cached_property
    def width(self) -> int:
        """The bytes that hold any of them."""
        return max(self.totals).bit_length() // 8 + 1

    @cached_property
    def longest(self) -> int:
        """The length of the longest path, or more."""
        return sum(max(length for _, length in steps) for steps in self.steps if steps)

    @cached_property
    def additions(self) -> int:
        """The bytes to add up in `count_lengths`, about."""
        return sum(len(steps) > 1 for steps in self.steps) * self.width * self.longest

    @cached_property
    def whole(self) -> Polynomial:
        """The paths to the last place by length."""
        (polynomial,) = self.count_lengths([len(self.steps)])
        return polynomial

    def count_lengths(self, places: Sequence[int]) -> list[Polynomial]:
        """Count the paths to some of the places by length.

        While counting, a polynomial is an integer, with z = 256^width, and the power of z that it is multiplied by: a
        chain only moves the power, and shares the integer.
        """
        unread = Counter(place for steps in self.steps for place, _ in steps)
        unread.update(places)
        packed = {0: (1, 0)}
        for place, steps in enumerate(self.steps, start=1):
            terms = [(packed[operand][0], packed[operand][1] + length) for operand, length in steps] or [(1, 0)]
            packed[place] = terms[0] if len(terms) == 1 else _add_packed(terms, 8 * self.width)
            for operand, _ in steps:  # the integers may be long, and are kept only while they are needed
                unread[operand] -= 1
                if not unread[operand]:
                    del packed[operand]
        return [Polynomial(packed[place][1], unpack(packed[place][0], self.width)) for place in places]


Segment: TypeAlias = tuple[dict[str, int], Section]
"""The places of the nodes between two cuts, and the section that they form."""


def _add_packed(terms: Iterable[tuple[int, int]], bits: int) -> tuple[int, int]:
    shift = min(power for _, power in terms)
    return sum(value << bits * (power - shift) for value, power in terms), shift


def _cut(graph: Graph, steps: Steps) -> Iterator[Segment]:
    """Cut a graph after each node that all paths from before it to beyond it meet in. Equal blocks are one part."""
    unread = Counter(operand for taken in steps.values() for operand, _ in taken)
    awaited = {id for id, taken in steps.items() if not taken}  # results still to be read, inputs and learned values
    parts: dict[tuple[Any, ...], Section] = {}
    places: dict[str, int] = {}
    part: list[tuple[tuple[int, int], ...]] = []
    for id, taken in steps.items():
        part.append(tuple([(places[operand], length) for operand, length in taken]))
        places[id] = len(part)
        for operand, _ in taken:
            unread[operand] -= 1
            if not unread[operand]:
                awaited.discard(operand)
        if unread[id]:
            awaited.add(id)
        else:
            awaited.discard(id)
        if len(awaited) == 1 and id in awaited:
            yield places, parts.setdefault(key := tuple(part), Section(key))
            places, part = {id: 0}, []
    if part:
        yield places, Section(tuple(part))


def _count_outputs(graph: Graph, segments: Iterable[Segment]) -> dict[str, int]:
    """The number of paths to each output."""
    totals: dict[str, int] = {}
    before, outputs = 1, set(graph.outputs.values())
    for places, part in segments:
        totals |= {id: before * part.totals[places[id]] for id in outputs & places.keys() if places[id]}
        before *= part.totals[-1]
    return {name: totals[id] for name, id in graph.outputs.items()}


def _estimate_work(segments: Iterable[Segment], totals: Mapping[str, int]) -> int:
    """The bits of all counts by length together; more where what has to be added up in the segments takes longer."""
    bits = sum(totals.values()).bit_length() * sum(part.longest for _, part in segments)
    return max(bits, sum(part.additions for _, part in segments) // 64)


def _count_lengths(graph: Graph, segments: Iterable[Segment]) -> dict[str, Mapping[int, int]]:
    """Count, for each output, the number of paths of each length."""
    outputs = set(graph.outputs.values())
    counted: dict[str, Mapping[int, int]] = {}
    factors: list[Polynomial] = []
    for places, part in segments:
        here = [id for id in outputs & places.keys() if places[id]]
        lengths = part.count_lengths([places[id] for id in here]) if here else []
        factors = [multiply(factors)] if here and len(outputs) > 1 else factors
        counted |= {id: multiply([*factors, own]).by_length for id, own in zip(here, lengths, strict=True)}
        factors.append(part.whole)
    return {name: counted[id] for name, id in graph.outputs.items()}


def _count_through(graph: Graph) -> tuple[dict[str, int], dict[str, int]]:
    """Count, for each body and each operation, paths from the inputs to its result, times paths from there to the
    outputs.

    Equal counts share one integer, since the counts of a deep network are long.
    """
    before: dict[str, int] = {}
    for node in graph:
        counts = [before[operand] for operand in node.data_inputs] or [1]
        before[node.id] = counts[0] if len(counts) == 1 else sum(counts)
    after = {**dict.fromkeys(graph.nodes, 0), **Counter(graph.outputs.values())}
    shared: dict[int, int] = {}
    bodies: dict[str, int] = {}
    ops: dict[str, int] = {}
    for node in reversed(list(graph)):
        beyond = after[node.id]
        for operand in node.data_inputs:
            after[operand] += beyond
        through = before[node.id] * beyond
        ops[node.id] = shared.setdefault(through, through)
        if node.body is not None:
            through = before[node.inputs[-1]] * beyond
            bodies[node.body] = shared.setdefault(through, through)
    return dict(reversed(bodies.items())), dict(reversed(ops.items()))


def _add_up(levels: Iterable[Mapping[int, int]]) -> dict[int, int]:
    total: Counter[int] = Counter()
    for level in levels:
        total.update(level)
    return dict(sorted(total.items()))
