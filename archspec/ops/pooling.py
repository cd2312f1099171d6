"""Operations that take one number of a window, or of a whole map, of each channel."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import ClassVar

from pydantic import Field

from archspec.ops.base import Family, Layer
from archspec.ops.bounds import ZERO, Bounds
from archspec.ops.fields import Flag, NonNegative, Positive
from archspec.ops.signal.axis import Axis
from archspec.ops.signal.gaussian import ChannelMoments, pass_largest, pass_rectifier
from archspec.ops.signal.moments import WINDOW, Gradient, Moments, standard
from archspec.ops.signal.runs import join
from archspec.ops.values import Casting, Layout, OpError, Saved, Saves, Shape
from archspec.ops.window import Positions, Span, Window


class Pool(Layer):
    """A sliding window over each channel; `stride` is the kernel unless given, and `padding` at most half of it. An
    axis has (S + 2 padding - kernel) / stride + 1 windows, rounded down; `ceil` rounds up, but leaves out a window
    that would start behind the last value."""

    main: ClassVar[str | None] = "kernel"
    family: ClassVar[Family] = "resize"
    saves: ClassVar[Saves] = "operands"
    keeps_zeros: ClassVar[bool] = True

    kernel: Positive = Field(2, description="positions of a window along each spatial axis")
    stride: Positive | None = Field(
        None, description="positions of the input from one window to the next; the kernel's size unless given"
    )
    padding: NonNegative = Field(0, description="positions before and after each axis")
    ceil: Flag = Field(False, description="lets a last window hang over the end")

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride or self.kernel, self.padding)

    @property
    def passes_terms(self) -> bool:
        return self.padding == 0

    def bound(self, x: Bounds) -> Bounds:
        return x

    def changes_nothing(self, *xs: Shape) -> str:
        return "its window is a single position" if self.window == Window(1, 1, 0) else ""

    def infer(self, x: Shape) -> Shape:
        if not 1 <= x.rank <= 3:
            raise OpError(f"{self.kind} needs one to three spatial axes, found the shape {x}")
        if 2 * self.padding > self.kernel:
            raise OpError("padding should be at most half the kernel", "padding")
        space = [self.window.slide(size, ceil=self.ceil) for size in x.space]
        if min(space) < 1:
            raise OpError(f"a window of {self.kernel} does not fit into {x}", "kernel")
        return Shape(x.channels, *space)

    def elementwise(self, x: Shape) -> int:
        return self.infer(x).elements * prod([self.kernel] * x.rank)

    def stride_fraction(self, axis: int) -> Fraction:
        return Fraction(self.window.stride)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (self.window.input_span(span),)

    def casting(self, *xs: Shape) -> Casting:
        return "full" if xs[0].rank == 3 else "widest"


class MaxPool(Pool):
    """The largest value in each window; padding never wins."""

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        """True where no factor is negative: a maximum keeps the order."""
        return not flips

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved((0,), indices=batch * self.infer(*xs).elements)

    def moments(self, x: Moments) -> Moments:
        return _take_largest(x, self._count(x), tuple(axis for _, axis in _slide(self, x)))

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (_send_to_largest(gradient, x, self._count(x)),)

    def _count(self, x: Moments) -> float:
        """Count the values that a window sees, on average: padding is none."""
        return prod(count for count, _ in _slide(self, standard(x.shape)))


class AvgPool(Pool):
    """The mean of each window; zeros of the padding count as values."""

    odd: ClassVar[bool] = True

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        """True unless what is added meets padding; with `ceil`, a last window divides by what of that it has."""
        return not adds or (self.padding == 0 and not self.ceil)

    def bound(self, x: Bounds) -> Bounds:
        return x.hull(ZERO) if self.window.padding else x

    def is_measured(self, *xs: Shape) -> bool:
        """False for small volumes, which are averaged along one axis after the other."""
        return xs[0].rank < 3 or min(xs[0].space) >= self.kernel

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout() if xs[0].rank == 3 else super().lay(layouts, *xs, batch=batch)

    def moments(self, x: Moments) -> Moments:
        """The moments of means: what samples have in common is in every term; of the rest each term has its own."""
        area, slid = self.kernel ** len(x.axes), _slide(self, x)
        counts = _slide(self, standard(x.shape))
        mean = prod(count for count, _ in counts) / area
        square = prod(count**2 * axis.square for count, axis in counts) / area**2
        own = prod(total for total, _ in slid) / area**2
        return x.before_averaging().each(
            lambda part: ChannelMoments(
                mean * part.mean, square * part.common + own * (part.second - part.common), mean**2 * part.common
            ),
            axes=tuple(axis for _, axis in slid),
            doubts=x.doubts if self.kernel == 1 else x.doubts | WINDOW,
        )

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        """The gradients, exact where windows do not overlap: else a position gets a sum of gradients that may be
        alike."""
        slid = [axis.spread(self.window, old.size) for axis, old in zip(gradient.axes, x.axes, strict=True)]
        gain = prod(total for total, _ in slid) / self.kernel ** (2 * len(x.axes))
        doubts = gradient.doubts if self.window.stride >= self.kernel else gradient.doubts | WINDOW
        return (gradient.times(gain, axes=tuple(axis for _, axis in slid), doubts=doubts),)


class GlobalPool(Layer):
    """One value for each channel; the spatial axes stay, with extent 1."""

    fixes_extents: ClassVar[bool] = True
    family: ClassVar[Family] = "resize"
    keeps_zeros: ClassVar[bool] = True
    passes_terms: ClassVar[bool] = True

    def bound(self, x: Bounds) -> Bounds:
        return x

    def infer(self, x: Shape) -> Shape:
        if x.rank < 1:
            raise OpError(f"{self.kind} needs spatial axes, found the vector {x}")
        return Shape(x.channels, *[1] * x.rank)

    def elementwise(self, x: Shape) -> int:
        return x.elements

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (None,)

    def casting(self, *xs: Shape) -> Casting:
        return "full" if xs[0].rank == 3 else "widest"


class GlobalAvgPool(GlobalPool):
    """The mean of each channel over all positions."""

    odd: ClassVar[bool] = True

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        return True

    def moments(self, x: Moments) -> Moments:
        """The moments of means: what samples have in common is in every term, the rest in none but its own."""
        n = x.positions
        return x.before_averaging().each(
            lambda part: part._replace(second=part.common + (part.second - part.common) / n),
            axes=(Axis(1),) * len(x.axes),
            doubts=x.doubts if n == 1 else x.doubts | WINDOW,
        )

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        axes = tuple(Axis(axis.size) for axis in x.axes)
        return (gradient.times(1 / x.positions**2, axes=axes),)


class GlobalMaxPool(GlobalPool):
    """The largest value of each channel over all positions."""

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        return not flips

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved((0,), indices=batch * xs[0].channels)

    def moments(self, x: Moments) -> Moments:
        return _take_largest(x, float(x.positions), (Axis(1),) * len(x.axes))

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (_send_to_largest(gradient, x, float(x.positions)),)


def _slide(op: Pool, x: Moments) -> list[tuple[float, Axis]]:
    """Compute for each axis the mean sum over what a window sees, and its spread."""
    return [axis.gather(op.window, size) for axis, size in zip(x.axes, op.infer(x.shape).space, strict=True)]


def _take_largest(x: Moments, count: float, axes: tuple[Axis, ...]) -> Moments:
    """The largest of so many positions, which are taken to share no more than samples do. Where the values are positive
    parts, of what they are the positive parts of."""
    before, rectified = x.rectified or x, x.rectified is not None
    runs = join((n, pass_largest(count, rectified, part).part) for n, part in before.runs)
    return Moments(runs, axes, x.mixed().doubts | WINDOW, normal=False, hollow=False, narrow=x.narrow, least=x.least)


def _send_to_largest(gradient: Gradient, x: Moments, count: float) -> Gradient:
    """Send each value to one position; where the values are positive parts, almost always to a positive one."""
    share = prod(axis.size for axis in gradient.axes) / x.positions
    doubts = gradient.doubts | x.doubts | WINDOW
    sent = gradient.times(share, axes=tuple(Axis(axis.size) for axis in x.axes), doubts=doubts)
    if x.rectified is None:
        return sent
    chances = [
        (n, pass_largest(count, True, part).gain / (pass_rectifier(0.0, part).gain or 1.0))
        for n, part in x.rectified.runs
    ]
    return sent.times_at_rectifier(chances)
