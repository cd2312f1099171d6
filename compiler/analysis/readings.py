"""What operations read of their operands along each axis, found once for all nodes that share an operation."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from archspec.ops import Shape, Span
from archspec.ops.base import ONE
from compiler.graph import Graph, Node

Runs: TypeAlias = tuple[Span | None, ...]
"""For each operand the positions that are read, or None where that is the whole map."""


MAX_TURN = 256
"""Positions after which what is read has to repeat; behind upsampling by 32 it does so after 32."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an operation reads along one axis. Position i + `pace.denominator` reads what i reads, `pace.numerator`
    further, so that the first positions, a `turn`, speak for all; of a turn beyond `MAX_TURN` only so many are kept."""

    pace: Fraction
    turn: tuple[Runs, ...]
    passes: bool
    """Whether each position sees every operand in its own place, and nothing else."""

    def run(self, operand: int, position: int) -> Span | None:
        """What a position from 0 reads of one operand."""
        turns, place = divmod(position, self.pace.denominator)
        shift = turns * self.pace.numerator
        run = self.turn[place][operand]
        return run and (run[0] + shift, run[1] + shift)


@dataclass(frozen=True, slots=True)
class Readings:
    """An operation's readings along all axes of the network's maps. They are `alike` where the extents of its operands
    and its result agree too."""

    axes: tuple[Reading, ...]
    alike: bool


def find_readings(graph: Graph) -> dict[str, Readings]:
    """The readings of every node that has operands."""
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
    return Readings(axes, even and all(axis == axes[0] for axis in axes))


def is_even(shape: Shape) -> bool:
    """Whether a map is as long along all its axes."""
    return len(set(shape.space)) < 2


def _read(node: Node, shapes: tuple[Shape, ...], axis: int) -> Reading:
    """What a node reads of each operand; the whole map where one of the two has no such axis."""
    if axis >= node.shape.rank:
        return Reading(ONE, ((None,) * len(shapes),), passes=False)
    pace = node.op.pace(axis)
    pace = ONE if pace == 1 else pace  # fractions are slow to multiply and compare, and most are this one
    found = (node.op.reads(axis, (i, i), *shapes) for i in range(min(pace.denominator, MAX_TURN)))
    turn = tuple(tuple(run if axis < x.rank else None for run, x in zip(runs, shapes, strict=True)) for runs in found)
    passes = pace is ONE and not node.op.sees_all and all(run == (0, 0) for run in turn[0])
    return Reading(pace, turn, passes)
