"""Strands: what every position of a map sees of the input along one axis, told by a few, and found in one pass over the
graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import TypeAlias

from archspec.ops import Input, Span
from archspec.ops.values import ONE
from compiler.analysis.field.axis_readings import MAX_TURN, AxisReading, Readings
from compiler.graph import Node

MAX_STRANDS = 8
"""The largest number of strands, by input and jump, that meet in one node."""
MAX_REACH = 1 << 62
"""The largest extent of a field that is followed, in input positions."""
NOTHING: Span = (MAX_REACH, -MAX_REACH)

StrandKey: TypeAlias = tuple[str, Fraction]
"""The input that is seen, and the jump, in input positions, from one position to the next."""


@dataclass(frozen=True, slots=True)
class Strand:
    """The first and last position that each of a map's first positions sees, as its runs; position i + len(runs) sees
    what i sees, `shift` further."""

    runs: tuple[Span, ...]
    shift: int

    def at(self, position: int) -> Span:
        turn, place = divmod(position, len(self.runs))
        lo, hi = self.runs[place]
        return lo + turn * self.shift, hi + turn * self.shift

    def over(self, places: range) -> Span:
        """Give the first and the last that some positions see."""
        if not places:
            return NOTHING
        if len(self.runs) == 1:
            ((lo, hi),) = self.runs
            return lo + places[0] * self.shift, hi + places[-1] * self.shift
        turn = len(self.runs)  # so many from either end hold the extremes
        return min(self.at(place)[0] for place in places[:turn]), max(self.at(place)[1] for place in places[-turn:])

    @property
    def centre(self) -> Fraction:
        """The middle of position 0's run, averaged over all positions of a turn."""
        turn = len(self.runs)
        middles = [turn * (lo + hi) - 2 * i * self.shift for i, (lo, hi) in enumerate(self.runs) if lo <= hi]
        return Fraction(sum(middles), 2 * turn * (len(middles) or 1))

    def repeat(self, count: int) -> Strand:
        """Write the same with `count` positions in a turn, a multiple of those it has."""
        return Strand(tuple(map(self.at, range(count))), self.shift * count // len(self.runs))


GIVEN_UP = Strand((NOTHING,), MAX_REACH)


@dataclass(frozen=True, slots=True)
class View:
    """The positions that a node sees along one axis: by strands those that move with the position, and by input those
    that every position sees wherever it lies."""

    strands: Mapping[StrandKey, Strand] = field(default_factory=dict)
    fixed: Mapping[str, Span] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()
    """The nodes whose maps every position sees whole, as long as none has a place: then they go over into `fixed`."""

    def at(self, input: str, position: int) -> Span:
        """Give the first and last that one position sees of an input, what is fixed left aside."""
        return find_hull(strand.at(position) for (seen, _), strand in self.strands.items() if seen == input)


def look(node: Node, axis: int, readings: Mapping[str, Readings], views: Mapping[str, tuple[View, ...]]) -> View:
    """Find the view of a node along an axis, from the views of its operands."""
    if isinstance(node.op, Input):
        return View({(node.id, Fraction(1)): Strand(((0, 0),), 1)} if axis < node.shape.rank else {})
    reading = readings[node.id].axes[axis]
    if reading.passes and len(node.data_inputs) == 1:
        return views[node.data_inputs[0]][axis]
    strands: dict[StrandKey, Strand] = {}
    fixed: dict[str, Span] = {}
    whole: frozenset[str] = frozenset()
    for position, operand in enumerate(node.data_inputs):
        view, placed = views[operand][axis], reading.turn[0][position] is not None
        whole |= view.whole
        for input, span in view.fixed.items():
            fixed[input] = find_hull((span, fixed.get(input, NOTHING)))
        if view.strands and (node.op.sees_all or not placed):
            whole |= {operand}
        if placed:
            _add_strands(strands, reading, position, view)
    return View(strands, fixed, whole)


def list_inputs(views: Iterable[View]) -> list[str]:
    """List the inputs in which a node's positions have a place, in the order in which it looks at them."""
    return list(dict.fromkeys(input for view in views for input, _ in view.strands))


def find_hull(spans: Iterable[Span]) -> Span:
    """Find the first and the last position of some runs."""
    los, his = zip(*spans, strict=True)
    return min(los), max(his)


def is_bounded(view: View) -> bool:
    """Tell whether a view is small enough to go on with."""
    reach = max((max(-lo, hi, strand.shift) for strand in view.strands.values() for lo, hi in strand.runs), default=0)
    return len(view.strands) <= MAX_STRANDS and reach < MAX_REACH


def _add_strands(strands: dict[StrandKey, Strand], reading: AxisReading, position: int, view: View) -> None:
    """Add what a node sees through the operand at `position`."""
    for (input, jump), strand in view.strands.items():
        key = (input, jump if reading.stride_fraction is ONE else jump * reading.stride_fraction)
        found = strand if reading.passes else _see_through(reading, position, strand)
        strands[key] = _unite(strands[key], found) if key in strands else found


def _see_through(reading: AxisReading, position: int, strand: Strand) -> Strand:
    """A strand as it is seen through the operand at `position`."""
    turn = _turn(strand, reading)
    if turn > MAX_TURN:
        return GIVEN_UP
    runs = tuple(strand.over(reading.at(place, position)) for place in range(turn))
    passed = turn // reading.period * reading.advance  # positions of the operand: a whole number of its turns
    return Strand(runs, passed // len(strand.runs) * strand.shift)


def _turn(strand: Strand, reading: AxisReading) -> int:
    """Count the positions of a result after which what they see through a strand repeats: as many as are a whole number
    of turns of the operand."""
    return lcm(reading.advance, len(strand.runs)) // reading.advance * reading.period


def _unite(first: Strand, second: Strand) -> Strand:
    """Unite what is seen through two strands of one jump."""
    turn = lcm(len(first.runs), len(second.runs))
    if turn > MAX_TURN:
        return GIVEN_UP
    pairs = zip(first.repeat(turn).runs, second.repeat(turn).runs, strict=True)
    return Strand(tuple(map(find_hull, pairs)), first.repeat(turn).shift)
