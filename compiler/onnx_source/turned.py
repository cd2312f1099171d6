"""Rows of tokens whose axes stand in another order, the batch not in front, as recurrent layers read and write them.

A value of the graph has its batch in front. In a file a row (N, C, L) may be (L, N, C) for a while, or
(L, directions, N, hidden) behind a recurrent layer. Such a value is remembered with the row that it is, so that it is
that row again, and no operation, once its axes are back in an order that the graph has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, pairwise
from math import prod

from compiler.onnx_source.samples import SampleAxis
from compiler.onnx_source.values import FileValue

BATCH, DIRECTION, HIDDEN, STEP = range(4)
"""The parts of the axes of a row, whose channels are those of each direction, one after the other."""

Parts = tuple[tuple[int, ...], ...]
"""The parts that each axis of a value is made of, the outer one first."""

AXES: Parts = ((BATCH,), (DIRECTION, HIDDEN), (STEP,))
"""Those of a row in the graph's order."""


@dataclass(frozen=True, slots=True)
class TurnedRow:
    """The row that a value is, its axes in the graph's order; the parts of the value's axes, and the row's number of
    directions."""

    row: FileValue
    parts: Parts
    directions: int = 1

    def permute(self, perm: Sequence[int]) -> TurnedRow:
        return replace(self, parts=tuple(self.parts[axis] for axis in perm))

    def lay_out(self, shape: Sequence[int]) -> TurnedRow | None:
        """The same numbers in another shape; None where its axes are not of whole parts. An axis of one position may be
        of several parts or none: those are taken that leave most axes whole."""
        alone = self.directions == 1  # then that part may stand anywhere
        flat = [part for parts in self.parts for part in parts if not (alone and part == DIRECTION)]
        found = []
        for cuts in combinations_with_replacement(range(len(flat) + 1), len(shape) - 1):
            groups = tuple(tuple(flat[start:stop]) for start, stop in pairwise((0, *cuts, len(flat))))
            groups = tuple(AXES[1] if alone and group == (HIDDEN,) else group for group in groups)
            if tuple(map(self._measure, groups)) == tuple(shape):
                found.append(groups)
        best = max(found, key=lambda groups: sum(group in AXES for group in groups), default=None)
        return replace(self, parts=best) if best else None

    def _measure(self, parts: Sequence[int]) -> int:
        batch, channels, steps = self.row.shape
        extents = (batch, self.directions, channels // self.directions, steps)
        return prod(extents[part] for part in parts)

    def settle(self) -> FileValue | None:
        """The row, with its axes as they stand; None where the batch is not in front, or axes are of other parts."""
        if sorted(self.parts) != sorted(AXES) or self.parts[0] != AXES[BATCH]:
            return None
        order = tuple(map(AXES.index, self.parts))
        return replace(self.row, shape=tuple(self.row.shape[axis] for axis in order), order=order)


def turn_row(x: FileValue) -> TurnedRow:
    """A row of tokens in any order that the graph has."""
    row = replace(x, shape=x.ordered, order=(0, 1, 2), samples=x.samples and SampleAxis(0))
    return TurnedRow(row, tuple(AXES[axis] for axis in x.order))
