"""Pooling to a given number of positions, whatever the extents."""

from __future__ import annotations

from fractions import Fraction
from math import gcd, prod
from typing import ClassVar, NamedTuple

from pydantic import Field

from archspec.ops.axes import require_map
from archspec.ops.base import Family, Layer
from archspec.ops.bounds import Bounds
from archspec.ops.fields import PositivePerAxis, along
from archspec.ops.pooling import send_to_largest, take_largest
from archspec.ops.signal.axis import MAX_AXIS, Axis, even_out
from archspec.ops.signal.moments import WINDOW, Gradient, Moments
from archspec.ops.values import Casting, Saved, Shape
from archspec.ops.window import Positions, Span, run


class AdaptivePool(Layer):
    """A window for each of `size` positions along an axis: of S positions window i takes those from ⌊i S / size⌋ up to
    ⌈(i + 1) S / size⌉. They are of one extent where the size divides S, and overlap where it does not."""

    main: ClassVar[str | None] = "size"
    family: ClassVar[Family] = "resize"
    fixes_extents: ClassVar[bool] = True
    keeps_zeros: ClassVar[bool] = True
    passes_terms: ClassVar[bool] = True

    size: PositivePerAxis = Field(description="positions of the result, along all spatial axes or each")

    def bound(self, x: Bounds) -> Bounds:
        return x

    def infer(self, x: Shape) -> Shape:
        require_map(self.kind, x)
        return Shape(x.channels, *along(self.size, x, "size"))

    def elementwise(self, x: Shape) -> int:
        return x.channels * prod(windows.places for windows in self._windows(x))

    def _windows(self, x: Shape) -> list[AdaptiveWindows]:
        """The windows along each axis."""
        return list(map(AdaptiveWindows, x.space, along(self.size, x, "size")))

    def pace(self, axis: int, *xs: Shape) -> Fraction:
        return Fraction(xs[0].space[axis], along(self.size, xs[0], "size")[axis])

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        extent, count = xs[0].space[axis], along(self.size, xs[0], "size")[axis]
        return (run((find_window(extent, count, span[0]).start, find_window(extent, count, span[1]).stop - 1)),)

    def casting(self, *xs: Shape) -> Casting:
        return "full" if xs[0].rank == 3 else "widest"


class AdaptiveAvgPool(AdaptivePool):
    """The mean of each of so many windows that lie evenly over the map."""

    odd: ClassVar[bool] = True

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        return True

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The operand; to a single position torch takes a plain mean, which needs none."""
        return Saved(() if set(along(self.size, xs[0], "size")) == {1} else (0,))

    def moments(self, x: Moments) -> Moments:
        """The moments of means: what samples have in common is in every term; of the rest each term has its own."""
        averaged = [_average(axis, windows) for axis, windows in zip(x.axes, self._windows(x.shape), strict=True)]
        own = prod(share for share, _ in averaged)
        return x.before_averaging().each(
            lambda part: part._replace(second=part.common + own * (part.second - part.common)),
            axes=tuple(axis for _, axis in averaged),
            doubts=x.doubts if own == 1 else x.doubts | WINDOW,
        )

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        """The gradients, exact where windows do not overlap: else a position gets a sum of gradients that may be
        alike."""
        all_windows = self._windows(x.shape)
        sent = [_send(axis, windows) for axis, windows in zip(gradient.axes, all_windows, strict=True)]
        gain = prod(share for share, _ in sent)
        apart = all(windows.places == windows.extent for windows in all_windows)
        doubts = gradient.doubts if apart else gradient.doubts | WINDOW
        return (gradient.times(gain, axes=tuple(axis for _, axis in sent), doubts=doubts),)


class AdaptiveMaxPool(AdaptivePool):
    """The largest value in each of so many windows that lie evenly over the map."""

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        """True where no factor is negative: a maximum keeps the order."""
        return not flips

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved((0,), indices=batch * self.infer(*xs).elements)

    def moments(self, x: Moments) -> Moments:
        return take_largest(x, self._count(x), tuple(map(Axis, self.infer(x.shape).space)))

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (send_to_largest(gradient, x, self._count(x)),)

    def _count(self, x: Moments) -> float:
        """Count the values that a window sees, on average."""
        return prod(windows.places / windows.number for windows in self._windows(x.shape))


def find_window(extent: int, count: int, place: int) -> range:
    """The positions of one of `count` windows over an axis, counted from 0."""
    return range(place * extent // count, -(-(place + 1) * extent // count))


class AdaptiveWindows(NamedTuple):
    """So many windows over an axis of so many positions."""

    extent: int
    number: int

    @property
    def lengths(self) -> dict[int, int]:
        """The number of windows of each length.

        With extent = g e and count = g n, e and n without a common divisor, e = q n + r, window i starts x / n behind a
        position, with x = i e mod n. Each x comes g times, and its windows are ⌈(x + q n + r) / n⌉ long: q where n is
        1, else q + 2 for the r - 1 of them above n - r, and q + 1.
        """
        g = gcd(self.extent, self.number)
        n = self.number // g
        q, r = divmod(self.extent // g, n)
        return {q: self.number} if n == 1 else {q + 1: g * (n - r + 1), q + 2: g * (r - 1)}

    @property
    def places(self) -> int:
        """The number of positions in all windows together."""
        return self.extent + self.number - gcd(self.extent, self.number)

    @property
    def shares(self) -> float:
        """The sum of 1 / length over all windows."""
        return sum(count / length for length, count in self.lengths.items())

    def list(self) -> list[range]:
        return [find_window(self.extent, self.number, i) for i in range(self.number)]


def _average(axis: Axis, windows: AdaptiveWindows) -> tuple[float, Axis]:
    """The second moment of the means of independent values with this spread: its mean and its spread."""
    if max(windows) > MAX_AXIS:
        return windows.shares / windows.number, Axis(windows.number, exact=False)
    values = axis.values
    sums = [sum(values[window.start : window.stop]) / len(window) ** 2 for window in windows.list()]
    return even_out(sums, axis.exact)


def _send(axis: Axis, windows: AdaptiveWindows) -> tuple[float, Axis]:
    """The second moment of what positions get of the gradients of the windows over them."""
    if max(windows) > MAX_AXIS:
        return windows.shares / windows.extent, Axis(windows.extent, exact=False)
    sums = [0.0] * windows.extent
    for window, value in zip(windows.list(), axis.values, strict=True):
        for position in window:
            sums[position] += value / len(window) ** 2
    return even_out(sums, axis.exact)
