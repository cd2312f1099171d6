"""Where the positions of a map lie in windows, and those of windows in the map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.shapes import NamedShape
from compiler.onnx_target.whole_numbers import WholeNumbers, add_up
from compiler.onnx_target.window_rows import WindowRegion


class WindowPlaces:
    """The places of a map of `space` in its windows, as numbers that a Gather takes: both count row by row. The map is
    `x` (N, *S, C), of which what is not fixed is read when the model runs."""

    def __init__(self, region: WindowRegion, emit: Emitter, space: NamedShape, x: OnnxValue) -> None:
        self.region, self.emit, self.x, self.space = region, emit, x, space
        self.places = prod(region.sizes)
        self.told = f"{region.sizes} shifted by {region.shifts}{' in a grid' * region.grid} of {space}"
        self.extents = [self._read(axis, extent) for axis, extent in enumerate(space)]
        self.counts = [self._count(axis, size) for axis, size in enumerate(region.sizes)]
        self.padded = [self._pad(axis, size) for axis, size in enumerate(region.sizes)]

    def list_inside(self, *, padded: bool) -> OnnxValue:
        """List the position in the map for each place in each window: in the padded one, or in its own, of which the
        last positions are repeated in the padding."""
        return self.emit.once(f"inside {padded} {self.told}", lambda: self._list_inside(padded))

    def list_outside(self) -> OnnxValue:
        """List the place in the windows for each position of the map."""
        return self.emit.once(f"outside {self.told}", self._list_outside)

    def count_windows(self) -> WholeNumbers:
        """The number of windows."""
        total = self.counts[0]
        for count in self.counts[1:]:
            total = total * count
        return total

    def _list_inside(self, padded: bool) -> OnnxValue:
        rank, terms = len(self.space), []
        whole = self.padded if padded else self.extents
        for axis, size in enumerate(self.region.sizes):
            at = self._roll(axis, self.padded[axis].count_up(), back=False)
            at = at.reshape(size, -1).swap() if self.region.grid else at.reshape(-1, size)
            at = at if padded else at.least(self.extents[axis] - 1)
            for extent in whole[axis + 1 :]:
                at = at * extent
            terms.append(
                at.reshape(*(-1 if at == axis else size if at == rank + axis else 1 for at in range(2 * rank)))
            )
        return add_up(terms).reshape(-1).write("inside")

    def _list_outside(self) -> OnnxValue:
        rank, sizes, terms = len(self.space), self.region.sizes, []
        for axis, size in enumerate(sizes):
            at = self._roll(axis, self.extents[axis].count_up(), back=True)
            count = self.counts[axis]
            window, place = (at % count, at // count) if self.region.grid else (at // size, at % size)
            for other in self.counts[axis + 1 :]:
                window = window * other
            index = window * self.places + place * prod(sizes[axis + 1 :])
            terms.append(index.reshape(*(-1 if at == axis else 1 for at in range(rank))))
        return add_up(terms).reshape(-1).write("outside")

    def _roll(self, axis: int, at: WholeNumbers, *, back: bool) -> WholeNumbers:
        """The positions that are found at these once the map is rolled along an axis, or rolled back; the same where
        there is one window."""
        if not self.region.shifts[axis]:
            return at
        shift, whole = (self.counts[axis] - 1).least(1) * self.region.shifts[axis], self.padded[axis]
        return (at + (whole - shift if back else shift)) % whole

    def _count(self, axis: int, size: int) -> WholeNumbers:
        extent = self.extents[axis]
        return self._share(f"windows of {size} in {self.space[axis]}", axis, lambda: (extent + (size - 1)) // size)

    def _pad(self, axis: int, size: int) -> WholeNumbers:
        count = self.counts[axis]
        return self._share(f"padded to windows of {size}: {self.space[axis]}", axis, lambda: count * size)

    def _read(self, axis: int, extent: int | str) -> WholeNumbers:
        if isinstance(extent, int):
            return WholeNumbers(self.emit, np.array([extent]))
        read = self.emit.once(f"extent {extent}", lambda: self.emit.op("Shape", [self.x], start=axis + 1, end=axis + 2))
        return WholeNumbers(self.emit, read)

    def _share(self, what: str, axis: int, compute: Callable[[], WholeNumbers]) -> WholeNumbers:
        """Compute once for all windows what is not known."""
        if isinstance(self.space[axis], int):
            return compute()
        return WholeNumbers(self.emit, self.emit.once(what, lambda: compute().write("")))


def find_places(region: WindowRegion, emit: Emitter) -> WindowPlaces:
    """The places of the map that a region's first way into windows reads."""
    (before,) = region.enter.inputs
    return WindowPlaces(region, emit, emit.model.shapes[before][2:], emit.model.read(before, rows=True))


def write_shape(emit: Emitter, name: str, extents: Sequence[int | WholeNumbers]) -> OnnxValue:
    """A shape of numbers of which some are perhaps not known, for Reshape or Tile."""
    lifted = [WholeNumbers(emit, np.array([one])) if isinstance(one, int) else one for one in extents]
    known = [one.value for one in lifted if not isinstance(one.value, OnnxValue)]
    if len(known) == len(lifted):
        return emit.constant(name, np.concatenate(known), np.int64)
    parts = [one.write(f"{name}_{place}") for place, one in enumerate(lifted)]
    return emit.op("Concat", parts, axis=0)
