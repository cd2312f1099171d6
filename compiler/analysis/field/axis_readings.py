"""The positions that operations read of their operands along each axis, found once for all nodes that share an
operation."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from archspec.ops import Shape
from archspec.ops.values import ONE
from compiler.graph import Graph, Node

ITSELF = range(1)
MAX_TURN = 256
"""The largest number of positions after which what is read has to repeat: behind upsampling by 32 it is 32."""


@dataclass(frozen=True, slots=True)
class AxisReading:
    """The positions that an operation reads along one axis. Position i + n reads what i reads, m further, where n is
    the `period` and m / n the `stride_fraction`. So the first positions, a `turn`, speak for all; of a turn beyond
    `MAX_TURN` only so many are kept."""

    stride_fraction: Fraction
    period: int
    turn: tuple[tuple[range | None, ...], ...]
    """The positions that are read, for each position and operand, or None where that is the whole map."""
    passes: bool
    """True if each position sees every operand in its own place, and nothing else."""

    @property
    def advance(self) -> int:
        """The positions of an operand that a turn is away from the one before."""
        return self.period // self.stride_fraction.denominator * self.stride_fraction.numerator

    def at(self, position: int, operand: int) -> range:
        """Give what a position from 0 reads of one operand of which it does not read the whole map."""
        turns, place = divmod(position, self.period)
        shift = turns * self.advance
        read = self.turn[place][operand] or range(0)
        return range(read.start + shift, read.stop + shift, read.step)


@dataclass(frozen=True, slots=True)
class Readings:
    """An operation's readings along all axes of the network's maps. They are `alike` where the extents of its operands
    and its result agree too."""

    axes: tuple[AxisReading, ...]
    alike: bool
    passes: bool
    """True if each position sees every operand in its own place, and nothing else, along all axes."""


def find_readings(graph: Graph) -> dict[str, Readings]:
    """Find the readings of every node that has operands."""
    rank = max((node.shape.rank for node in graph), default=0)
    known: dict[tuple[int, tuple[Shape, ...]], Readings] = {}  # repeated blocks share their operations
    found: dict[str, Readings] = {}
    for node in graph:
        if node.inputs:
            key = id(node.op), graph.operands(node)
            if key not in known:
                known[key] = _find(node, key[1], rank)
            found[node.id] = known[key]
    return found


def _find(node: Node, shapes: tuple[Shape, ...], rank: int) -> Readings:
    axes = tuple(_read(node, shapes, axis) for axis in range(rank))
    even = all(map(is_even, (node.shape, *shapes)))
    alike = even and all(axis == axes[0] for axis in axes)
    return Readings(axes, alike, all(axis.passes for axis in axes))


def is_even(shape: Shape) -> bool:
    """Tell whether a map is as long along all its axes."""
    return len(set(shape.space)) < 2


def _read(node: Node, shapes: tuple[Shape, ...], axis: int) -> AxisReading:
    """Find what a node reads of each operand; the whole map where one of the two has no such axis."""
    if axis >= node.shape.rank:
        return AxisReading(ONE, 1, ((None,) * len(shapes),), passes=False)
    fraction = node.op.pace(axis, *shapes)
    fraction = ONE if fraction == 1 else fraction  # fractions are slow to multiply and compare, and most are this one
    period = lcm(fraction.denominator, node.op.reading_period(axis))
    turn = tuple(_read_one(node, shapes, axis, position) for position in range(min(period, MAX_TURN)))
    passes = fraction is ONE and period == 1 and not node.op.sees_all and all(places == ITSELF for places in turn[0])
    return AxisReading(fraction, period, turn, passes)


def _read_one(node: Node, shapes: tuple[Shape, ...], axis: int, position: int) -> tuple[range | None, ...]:
    """Find what one position reads of each operand."""
    found = node.op.input_span(axis, (position, position), *shapes)
    pairs = zip(found, shapes, strict=True)
    return tuple(None if places is None or axis >= x.rank else next(iter(places)) for places, x in pairs)
