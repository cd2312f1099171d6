"""Operations that take one number of a window, or of a whole map, of each channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from operator import ge
from typing import ClassVar, Literal

from pydantic import Field

from archspec.ops.axes import require_map
from archspec.ops.base import Family, Layer
from archspec.ops.bounds import ZERO, Bounds
from archspec.ops.fields import Flag, PaddingPerAxis, PositivePerAxis, along
from archspec.ops.signal.axis import Axis, divide_squared
from archspec.ops.signal.gaussian import ChannelMoments, pass_largest, pass_rectifier
from archspec.ops.signal.moments import WINDOW, Gradient, Moments, standard
from archspec.ops.signal.runs import join
from archspec.ops.sliding import count_padded, find_stride, find_windows, pads_apart, tell_reach
from archspec.ops.values import Casting, Layout, OpError, Saved, Shape
from archspec.ops.window import Positions, Span, Window


class Pool(Layer):
    """A sliding window over each channel; `stride` is the kernel unless given, and `padding` a rule as that of `conv`,
    or a number up to half the kernel. An axis has (S + 2 padding - kernel) / stride + 1 windows, rounded down; `ceil`
    rounds up, but leaves out a window that would start behind the last value. Kernel, stride and padding are one for
    all axes, or a list with one for each."""

    main: ClassVar[str | None] = "kernel"
    family: ClassVar[Family] = "resize"
    keeps_zeros: ClassVar[bool] = True

    kernel: PositivePerAxis = Field(2, description="positions of a window along each spatial axis")
    stride: PositivePerAxis | None = Field(
        None, description="positions of the input from one window to the next; the kernel's size unless given"
    )
    padding: PaddingPerAxis = Field(0, description="positions before and after each axis")
    ceil: Flag = Field(False, description="lets a last window hang over the end")

    def windows(self, x: Shape) -> tuple[Window, ...]:
        """The window along each spatial axis of x. Raises OpError."""
        stride = self.kernel if self.stride is None else self.stride
        return find_windows(x, kernel=self.kernel, stride=stride, padding=self.padding)

    @property
    def pads(self) -> bool:
        """True unless it certainly pads nothing."""
        return self.padding not in (0, (0,), (0, 0), (0, 0, 0))

    @property
    def passes_terms(self) -> bool:
        return not self.pads

    def bound(self, x: Bounds) -> Bounds:
        return x

    def changes_nothing(self, *xs: Shape) -> str:
        single = all(window.moves_nothing for window in self.windows(xs[0]))
        return "its window is a single position" if single else ""

    def infer(self, x: Shape) -> Shape:
        require_map(self.kind, x)
        windows = self.windows(x)
        self._require_small(x, windows)
        space = [window.slide(size, ceil=self.ceil) for window, size in zip(windows, x.space, strict=True)]
        if min(space) < 1:
            raise OpError(f"a window of {tell_reach(windows)} does not fit into {x}", "kernel")
        return Shape(x.channels, *space)

    def _require_small(self, x: Shape, windows: Sequence[Window]) -> None:
        given = zip(along(self.padding, x, "padding"), windows, strict=True) if self.pads else ()
        if any(isinstance(padding, int) and 2 * padding > window.kernel for padding, window in given):
            raise OpError("padding should be at most half the kernel", "padding")

    def elementwise(self, x: Shape) -> int:
        return self.infer(x).elements * prod(window.kernel for window in self.windows(x))

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        padded = sum(self.partials(*xs))
        return Saved(values=batch * padded) if padded else Saved((0,))

    def partials(self, *xs: Shape) -> tuple[int, ...]:
        padded = count_padded(self.padding, self.windows(xs[0]), xs[0])
        return (padded,) if padded else ()

    def stride_fraction(self, axis: int) -> Fraction:
        return find_stride(self.kernel if self.stride is None else self.stride, axis)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (self.windows(xs[0])[axis].input_span(span),)

    def casting(self, *xs: Shape) -> Casting:
        return "full" if xs[0].rank == 3 else "widest"


class MaxPool(Pool):
    """The largest value in each window; padding never wins."""

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        """True where no factor is negative: a maximum keeps the order."""
        return not flips

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        saved = super().saved_for_backward(*xs, batch=batch, needs=needs)
        return replace(saved, indices=batch * self.infer(*xs).elements)

    def moments(self, x: Moments) -> Moments:
        return take_largest(x, self._count(x), tuple(axis for _, axis in _slide(self, x)))

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (send_to_largest(gradient, x, self._count(x)),)

    def _count(self, x: Moments) -> float:
        """Count the values that a window sees, on average: padding is none."""
        return prod(count for count, _ in _slide(self, standard(x.shape)))


class AvgPool(Pool):
    """The mean of each window; zeros of the padding count as values, but with `count: inside` only what lies inside the
    map does."""

    odd: ClassVar[bool] = True
    newer: ClassVar[frozenset[str]] = frozenset({"count"})

    count: Literal["all", "inside"] = Field("all", description="places of a window that count: all, or those inside x")

    @property
    def passes_terms(self) -> bool:
        return self.count == "inside" or super().passes_terms

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        """True unless what is added meets padding; with `ceil`, a last window divides by what of that it has."""
        return not adds or self.count == "inside" or not (self.pads or self.ceil)

    def bound(self, x: Bounds) -> Bounds:
        return x.hull(ZERO) if self.pads and self.count == "all" else x

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The operand, and where torch pads in a step of its own the numbers of values, by which sums are divided."""
        saved = super().saved_for_backward(*xs, batch=batch, needs=needs)
        divides = self.count == "inside" and pads_apart(self.padding, self.windows(xs[0]))
        return replace(saved, values=saved.values + prod(self.infer(*xs).space)) if divides else saved

    def is_measured(self, *xs: Shape) -> bool:
        """False for small volumes, which are averaged along one axis after the other."""
        return xs[0].rank < 3 or all(map(ge, xs[0].space, along(self.kernel, xs[0], "kernel")))

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout() if xs[0].rank == 3 else super().lay(layouts, *xs, batch=batch)

    def moments(self, x: Moments) -> Moments:
        """The moments of means: what samples have in common is in every term; of the rest each term has its own."""
        slid, seen = _slide(self, x), _slide(self, standard(x.shape))
        area, whole = prod(window.kernel for window in self.windows(x.shape)), self.count == "all"
        mean = prod(count for count, _ in seen) / area if whole else 1.0
        square = prod(count**2 * axis.square for count, axis in seen) / area**2 if whole else 1.0
        if not whole:
            slid = list(map(divide_squared, slid, seen))
        own = prod(total for total, _ in slid) / (area**2 if whole else 1)
        return x.before_averaging().each(
            lambda part: ChannelMoments(
                mean * part.mean, square * part.common + own * (part.second - part.common), mean**2 * part.common
            ),
            axes=tuple(axis for _, axis in slid),
            doubts=x.doubts if area == 1 else x.doubts | WINDOW,
        )

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        """The gradients, exact where windows do not overlap: else a position gets a sum of gradients that may be
        alike."""
        windows, whole = self.windows(x.shape), self.count == "all"
        sent = [(1.0, axis) for axis in gradient.axes]
        if not whole:
            sent = list(map(divide_squared, sent, _slide(self, standard(x.shape))))
        slid = [axis.spread(window, size) for (_, axis), window, size in zip(sent, windows, x.shape.space, strict=True)]
        gain = prod(total for total, _ in slid) / prod(window.kernel**2 if whole else 1 for window in windows)
        gain *= prod(share for share, _ in sent)
        apart = all(window.stride >= window.kernel for window in windows)
        doubts = gradient.doubts if apart else gradient.doubts | WINDOW
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
        return take_largest(x, float(x.positions), (Axis(1),) * len(x.axes))

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (send_to_largest(gradient, x, float(x.positions)),)


def _slide(op: Pool, x: Moments) -> list[tuple[float, Axis]]:
    """Compute for each axis the mean sum over what a window sees, and its spread."""
    return list(map(Axis.gather, x.axes, op.windows(x.shape), op.infer(x.shape).space))


def take_largest(x: Moments, count: float, axes: tuple[Axis, ...]) -> Moments:
    """The largest of so many positions, which are taken to share no more than samples do. Where the values are positive
    parts, of what they are the positive parts of."""
    before, rectified = x.rectified or x, x.rectified is not None
    runs = join((n, pass_largest(count, rectified, part).part) for n, part in before.runs)
    return Moments(runs, axes, x.mixed().doubts | WINDOW, normal=False, hollow=False, narrow=x.narrow, least=x.least)


def send_to_largest(gradient: Gradient, x: Moments, count: float) -> Gradient:
    """Send each value to one position; where the values are positive parts, almost always to a positive one."""
    share = prod(axis.size for axis in gradient.axes) / x.positions
    doubts = gradient.doubts | x.doubts | WINDOW
    sent = gradient.times(share, axes=tuple(Axis(axis.size) for axis in x.axes), doubts=doubts)
    if x.rectified is None:
        return sent
    return sent.times_at_rectifier([(n, find_share_of_rectified(count, part)) for n, part in x.rectified.runs])


def find_share_of_rectified(count: float, x: ChannelMoments) -> float:
    """The factor of what a rectifier passes on of a gradient that goes to the largest of so many of its results: that
    is almost always positive."""
    return pass_largest(count, True, x).gain / (pass_rectifier(0.0, x).gain or 1.0)
