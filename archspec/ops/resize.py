"""Operations that change the extents of a value, and have no weights: pooling, upsampling, reshaping, cropping."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from math import prod
from typing import ClassVar, Literal

from archspec.ops.base import (
    Casting,
    Flag,
    Keeps,
    Layer,
    Layout,
    NonNegative,
    Op,
    OpError,
    Positive,
    Saved,
    Shape,
    in_words,
)
from archspec.ops.signal.axis import Axis, place
from archspec.ops.signal.gaussian import Part, pass_largest, pass_rectifier
from archspec.ops.signal.moments import WINDOW, Gradient, Moments, standard
from archspec.ops.signal.runs import average, cut, join
from archspec.ops.window import Positions, Span, Window, run


class Pool(Layer):
    """A sliding window over each channel; `stride` is the kernel unless given, and `padding` at most half of it. An
    axis has (S + 2 padding - kernel) / stride + 1 windows, rounded down; `ceil` rounds up, but leaves out a window
    that would start behind the last value."""

    main: ClassVar[str | None] = "kernel"
    keeps: ClassVar[Keeps] = "operands"

    kernel: Positive = 2
    stride: Positive | None = None
    padding: NonNegative = 0
    ceil: Flag = False

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride or self.kernel, self.padding)

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

    def pace(self, axis: int) -> Fraction:
        return Fraction(self.window.stride)

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (self.window.reads(span),)

    def casting(self, *xs: Shape) -> Casting:
        return "full" if xs[0].rank == 3 else "widest"


class MaxPool(Pool):
    """The largest value in each window; padding never wins."""

    def saved(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved((0,), indices=batch * self.infer(*xs).elements)

    def moments(self, x: Moments) -> Moments:
        return _take_largest(x, self._count(x), tuple(axis for _, axis in _slide(self, x)))

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (_send_to_largest(gradient, x, self._count(x)),)

    def _count(self, x: Moments) -> float:
        """How many values a window sees, on average: padding is none."""
        return prod(count for count, _ in _slide(self, standard(x.shape)))


class AvgPool(Pool):
    """The mean of each window; zeros of the padding count as values."""

    def is_measured(self, *xs: Shape) -> bool:
        """Small volumes are averaged along one axis after the other."""
        return xs[0].rank < 3 or min(xs[0].space) >= self.kernel

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout() if xs[0].rank == 3 else super().lay(layouts, *xs, batch=batch)

    odd: ClassVar[bool] = True

    def moments(self, x: Moments) -> Moments:
        """What samples have in common is in every term; of the rest each term has its own."""
        area, slid = self.kernel ** len(x.axes), _slide(self, x)
        counts = _slide(self, standard(x.shape))
        mean = prod(count for count, _ in counts) / area
        square = prod(count**2 * axis.square for count, axis in counts) / area**2
        own = prod(total for total, _ in slid) / area**2
        return _keep_samples(x).each(
            lambda part: Part(
                mean * part.mean, square * part.common + own * (part.second - part.common), mean**2 * part.common
            ),
            axes=tuple(axis for _, axis in slid),
            doubts=x.doubts if self.kernel == 1 else x.doubts | WINDOW,
        )

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        """Exact where windows do not overlap: else a position gets a sum of gradients that may be alike."""
        slid = [axis.spread(self.window, old.size) for axis, old in zip(gradient.axes, x.axes, strict=True)]
        gain = prod(total for total, _ in slid) / self.kernel ** (2 * len(x.axes))
        doubts = gradient.doubts if self.window.stride >= self.kernel else gradient.doubts | WINDOW
        return (gradient.times(gain, axes=tuple(axis for _, axis in slid), doubts=doubts),)


class GlobalPool(Layer):
    """One value for each channel; the spatial axes stay, with extent 1."""

    def infer(self, x: Shape) -> Shape:
        if x.rank < 1:
            raise OpError(f"{self.kind} needs spatial axes, found the vector {x}")
        return Shape(x.channels, *[1] * x.rank)

    def elementwise(self, x: Shape) -> int:
        return x.elements

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (None,)

    def casting(self, *xs: Shape) -> Casting:
        return "full" if xs[0].rank == 3 else "widest"


class GlobalAvgPool(GlobalPool):
    """The mean of each channel over all positions."""

    odd: ClassVar[bool] = True

    def moments(self, x: Moments) -> Moments:
        """What samples have in common is in every term, the rest in none but its own."""
        n = x.positions
        return _keep_samples(x).each(
            lambda part: part._replace(second=part.common + (part.second - part.common) / n),
            axes=(Axis(1),) * len(x.axes),
            doubts=x.doubts if n == 1 else x.doubts | WINDOW,
        )

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        axes = tuple(Axis(axis.size) for axis in x.axes)
        return (gradient.times(1 / x.positions**2, axes=axes),)


class GlobalMaxPool(GlobalPool):
    """The largest value of each channel over all positions."""

    def saved(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved((0,), indices=batch * xs[0].channels)

    def moments(self, x: Moments) -> Moments:
        return _take_largest(x, float(x.positions), (Axis(1),) * len(x.axes))

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (_send_to_largest(gradient, x, float(x.positions)),)


class Upsample(Layer):
    """Enlarges each spatial axis `scale` times, by repeating values or linearly (half-pixel centres)."""

    main: ClassVar[str | None] = "scale"
    odd: ClassVar[bool] = True

    scale: Positive = 2
    mode: Literal["nearest", "linear"] = "nearest"

    def infer(self, x: Shape) -> Shape:
        if not 1 <= x.rank <= 3:
            raise OpError(f"upsample needs one to three spatial axes, found the shape {x}")
        return Shape(x.channels, *(size * self.scale for size in x.space))

    def elementwise(self, x: Shape) -> int:
        return 0 if self.mode == "nearest" else self.infer(x).elements * 2**x.rank

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return layouts[0].by_format(xs[0])

    def pace(self, axis: int) -> Fraction:
        return Fraction(1, self.scale)

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        """Linearly position i reads the two neighbours of (i + 1/2) / scale - 1/2, or the one that lies there."""
        lo, hi = span
        if self.mode == "nearest":
            return (run((lo // self.scale, hi // self.scale)),)
        double = 2 * self.scale
        return (run(((2 * lo + 1 - self.scale) // double, -((self.scale - 2 * hi - 1) // double))),)

    def _square(self, axes: Sequence[Axis]) -> float:
        """The mean over positions of the sum of squared weights; half of those at either end have one weight, of 1."""
        if self.mode == "nearest":
            return 1.0
        shares = [((2 * i + 1 - self.scale) / (2 * self.scale)) % 1 for i in range(min(self.scale, 1000))]
        inner = sum(share**2 + (1 - share) ** 2 for share in shares) / len(shares)
        return prod(inner + (1 - inner) / axis.size for axis in axes)

    def moments(self, x: Moments) -> Moments:
        square = self._square(x.axes)
        return _keep_samples(x).each(
            lambda part: part._replace(second=part.common + square * (part.second - part.common)),
            axes=tuple(axis.repeat(self.scale) for axis in x.axes),
            doubts=x.doubts if square == 1 else x.doubts | WINDOW,
        )

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        """The sum over the copies, taken as independent."""
        axes = tuple(axis.merge(self.scale) for axis in gradient.axes)
        gain = self.scale ** len(x.axes) * self._square(x.axes)
        return (gradient.times(gain, axes=axes, doubts=gradient.doubts | WINDOW),)


class Flatten(Layer):
    """All extents in one: (C, *S) -> (C · ΠS)."""

    odd: ClassVar[bool] = True

    def infer(self, x: Shape) -> Shape:
        return Shape(x.elements)

    def shares(self, x: Shape, *, training: bool) -> bool:
        return True

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout()

    def straightens(self, layout: Layout, x: Shape) -> bool:
        return not layout.is_in_order(x)

    def moments(self, x: Moments) -> Moments:
        runs = join((count * x.positions, part) for count, part in x.runs)
        even = all(axis.profile is None for axis in x.axes)
        return replace(x, runs=runs, axes=(), normal=x.normal and even, rectified=None)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        starts = accumulate((count * x.positions for count, _ in x.runs), initial=0)
        runs = [
            (count, average(cut(gradient.runs, start, count * x.positions)))
            for start, (count, _) in zip(starts, x.runs, strict=False)
        ]
        return (replace(gradient, runs=join(runs), axes=tuple(Axis(axis.size) for axis in x.axes)),)


class PadChannels(Layer):
    """Appends channels of zeros until there are `out`: the free shortcut (option A) of He et al., 2015."""

    main: ClassVar[str | None] = "out"
    odd: ClassVar[bool] = True

    out: Positive

    def infer(self, x: Shape) -> Shape:
        if self.out < x.channels:
            raise OpError(f"cannot pad {x.channels} channels to {self.out}", "out")
        return Shape(self.out, *x.space)

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return layouts[0].by_format(xs[0])

    def settles(self, layout: Layout, x: Shape) -> bool:
        return layout.is_told(x)

    def moments(self, x: Moments) -> Moments:
        zeros = ((self.out - x.channels, Part(0.0, 0.0, 0.0)),) if self.out > x.channels else ()
        return replace(x, runs=x.runs + zeros, rectified=None)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (gradient.part(0, x.channels),)


class Centred(Op):
    """Brings its first operand to extents that all operands agree on, its centre in the middle."""

    arity: ClassVar[int | None] = None
    carriers: ClassVar[int | None] = 1
    odd: ClassVar[bool] = True

    @abstractmethod
    def infer(self, *xs: Shape) -> Shape: ...

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        before = (self.infer(*xs).space[axis] - xs[0].space[axis]) // 2
        return (run((span[0] - before, span[1] - before)), *[None] * (len(xs) - 1))

    def moments(self, x: Moments, *others: Moments) -> Moments:
        space = self.infer(x.shape, *(other.shape for other in others)).space
        factor, axes = place(x.axes, space)
        mean = prod(min(1.0, old / new) for old, new in zip(x.shape.space, space, strict=True))
        return x.times(mean, factor, factor, axes=axes)

    def gradients(self, gradient: Gradient, x: Moments, *others: Moments) -> tuple[Gradient, ...]:
        factor, axes = place(gradient.axes, x.shape.space)
        return (gradient.times(factor, axes=axes),)


class Crop(Centred):
    """Cuts the centre out of its first operand: along each axis the smallest extent among all operands."""

    def infer(self, *xs: Shape) -> Shape:
        if len({x.rank for x in xs}) > 1:
            raise OpError(f"cannot crop {in_words(xs)} to one size: they differ in axes")
        cut = Shape(xs[0].channels, *map(min, zip(*(x.space for x in xs), strict=True)))
        centred = all((whole - part) % 2 == 0 for whole, part in zip(xs[0].space, cut.space, strict=True))
        if not centred:
            raise OpError(f"cannot cut the centre, {cut}, out of {xs[0]}: an odd number of pixels would be left over")
        return cut

    def shares(self, *xs: Shape, training: bool) -> bool:
        return True

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        """A cut leaves gaps unless nothing lies outside the axis that is cut."""
        left, (before, *_) = self.infer(*xs), layouts
        outside = [prod(left[: axis + 1]) for axis, size in enumerate(xs[0].space) if left.space[axis] < size]
        dense = before.dense and max(outside, default=1) == 1
        return Layout(before.channels_last, dense, whole=before.whole and dense and (not outside or batch == 1))


class PadSpace(Centred):
    """Pads its first operand with zeros to the largest extents among all operands, as equally on both sides as can be;
    an odd position goes to the end."""

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return layouts[0].by_format(xs[0])

    def infer(self, *xs: Shape) -> Shape:
        if len({x.rank for x in xs}) > 1:
            raise OpError(f"cannot pad {in_words(xs)} to one size: they differ in axes")
        return Shape(xs[0].channels, *map(max, zip(*(x.space for x in xs), strict=True)))


def _slide(op: Pool, x: Moments) -> list[tuple[float, Axis]]:
    """For each axis the mean sum over what a window sees, and its spread."""
    return [axis.gather(op.window, size) for axis, size in zip(x.axes, op.infer(x.shape).space, strict=True)]


def _keep_samples(x: Moments) -> Moments:
    """Before positions are averaged: single values that are set to zero are no more."""
    return x if x.sample else x.mixed()


def _take_largest(x: Moments, count: float, axes: tuple[Axis, ...]) -> Moments:
    """The largest of so many positions, which are taken to share no more than samples do. Where the values are positive
    parts, of what they are the positive parts of."""
    before, rectified = x.rectified or x, x.rectified is not None
    runs = join((n, pass_largest(count, rectified, part).part) for n, part in before.runs)
    return Moments(runs, axes, x.mixed().doubts | WINDOW, normal=False, hollow=False, narrow=x.narrow, least=x.least)


def _send_to_largest(gradient: Gradient, x: Moments, count: float) -> Gradient:
    """Each value goes to one position; where the values are positive parts, almost always to a positive one."""
    share = prod(axis.size for axis in gradient.axes) / x.positions
    doubts = gradient.doubts | x.doubts | WINDOW
    sent = gradient.times(share, axes=tuple(Axis(axis.size) for axis in x.axes), doubts=doubts)
    if x.rectified is None:
        return sent
    chances = [
        (n, pass_largest(count, True, part).gain / (pass_rectifier(0.0, part).gain or 1.0))
        for n, part in x.rectified.runs
    ]
    return sent.lifted(chances)
