"""Operations that move values to other places, change the extents, and have no weights: flattening, padding and
cropping."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from math import prod
from typing import ClassVar

from pydantic import Field

from archspec.ops.base import Family, Layer, Op
from archspec.ops.bounds import ZERO, Bounds
from archspec.ops.fields import Positive
from archspec.ops.signal.axis import Axis, place
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import Gradient, Moments
from archspec.ops.signal.runs import average, cut, join
from archspec.ops.values import Layout, OpError, Shape, in_words
from archspec.ops.window import Positions, Span, run


class Flatten(Layer):
    """All extents in one: (C, *S) -> (C · ΠS)."""

    family: ClassVar[Family] = "resize"
    odd: ClassVar[bool] = True
    keeps_zeros: ClassVar[bool] = True
    passes_terms: ClassVar[bool] = True

    def bound(self, x: Bounds) -> Bounds:
        return x

    def changes_nothing(self, *xs: Shape) -> str:
        return "its operand is a vector" if xs[0].rank == 0 else ""

    def infer(self, x: Shape) -> Shape:
        return Shape(x.elements)

    def is_view(self, x: Shape, *, training: bool) -> bool:
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

    family: ClassVar[Family] = "resize"
    main: ClassVar[str | None] = "out"
    odd: ClassVar[bool] = True

    out: Positive = Field(description="channels of the result")

    def bound(self, x: Bounds) -> Bounds:
        return x.hull(ZERO)

    def changes_nothing(self, *xs: Shape) -> str:
        return "its operand has as many channels" if self.out == xs[0].channels else ""

    def infer(self, x: Shape) -> Shape:
        if self.out < x.channels:
            raise OpError(f"cannot pad {x.channels} channels to {self.out}", "out")
        return Shape(self.out, *x.space)

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return layouts[0].by_format(xs[0])

    def is_layout_known(self, layout: Layout, x: Shape) -> bool:
        return layout.is_told(x)

    def moments(self, x: Moments) -> Moments:
        zeros = ((self.out - x.channels, ChannelMoments(0.0, 0.0, 0.0)),) if self.out > x.channels else ()
        return replace(x, runs=x.runs + zeros, rectified=None)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (gradient.part(0, x.channels),)


class Centred(Op):
    """Brings its first operand to extents that all operands agree on, its centre in the middle."""

    family: ClassVar[Family] = "resize"
    arity: ClassVar[int | None] = None
    data_inputs: ClassVar[int | None] = 1
    odd: ClassVar[bool] = True
    keeps_zeros: ClassVar[bool] = True
    fits_extents: ClassVar[bool] = True

    @abstractmethod
    def infer(self, *xs: Shape) -> Shape: ...

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
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

    passes_terms: ClassVar[bool] = True

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        return True

    def bound(self, *xs: Bounds) -> Bounds:
        return xs[0]

    def infer(self, *xs: Shape) -> Shape:
        if len({x.rank for x in xs}) > 1:
            raise OpError(f"cannot crop {in_words(xs)} to one size: they differ in axes")
        cut = Shape(xs[0].channels, *map(min, zip(*(x.space for x in xs), strict=True)))
        centred = all((whole - part) % 2 == 0 for whole, part in zip(xs[0].space, cut.space, strict=True))
        if not centred:
            raise OpError(f"cannot cut the centre, {cut}, out of {xs[0]}: an odd number of pixels would be left over")
        return cut

    def is_view(self, *xs: Shape, training: bool) -> bool:
        return True

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        """The layout of a view: a cut leaves gaps unless nothing lies outside the axis that is cut."""
        left, (before, *_) = self.infer(*xs), layouts
        outside = [prod(left[: axis + 1]) for axis, size in enumerate(xs[0].space) if left.space[axis] < size]
        dense = before.dense and max(outside, default=1) == 1
        return Layout(before.channels_last, dense, whole=before.whole and dense and (not outside or batch == 1))


class PadSpace(Centred):
    """Pads its first operand with zeros to the largest extents among all operands, as equally on both sides as can be;
    an odd position goes to the end."""

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        return not adds

    def bound(self, *xs: Bounds) -> Bounds:
        return xs[0].hull(ZERO)

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return layouts[0].by_format(xs[0])

    def infer(self, *xs: Shape) -> Shape:
        if len({x.rank for x in xs}) > 1:
            raise OpError(f"cannot pad {in_words(xs)} to one size: they differ in axes")
        return Shape(xs[0].channels, *map(max, zip(*(x.space for x in xs), strict=True)))
