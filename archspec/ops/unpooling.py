"""The way back from a max pooling: values go to the places of the largest numbers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import ClassVar

from archspec.ops.base import Family, Op
from archspec.ops.bounds import ZERO, Bounds
from archspec.ops.fields import Flag, PaddingPerAxis, PositivePerAxis
from archspec.ops.pooling import MaxPool
from archspec.ops.signal.axis import Axis
from archspec.ops.signal.moments import WINDOW, Gradient, Moments
from archspec.ops.sliding import pads_apart, tell_each
from archspec.ops.values import Layout, OpError, Saved, Shape
from archspec.ops.window import Positions, Span


class MaxUnpool(Op):
    """Undoes a max pooling (Zeiler and Fergus, 2014): each value goes to where the largest number of its window stands
    in what was pooled, the second operand, the first of several; all other positions are zero.

    (C, *S'), (C, *S) -> (C, *S), with the pooling's own S'. Its windows do not overlap, so that no place is the largest
    of two.
    """

    family: ClassVar[Family] = "resize"
    arity: ClassVar[int | None] = 2
    data_inputs: ClassVar[int | None] = 1
    keeps_zeros: ClassVar[bool] = True

    kernel: PositivePerAxis = 2
    stride: PositivePerAxis | None = None
    padding: PaddingPerAxis = 0
    ceil: Flag = False

    @property
    def pooling(self) -> MaxPool:
        """The pooling that it undoes, one for all that ask."""
        return _make_pooling(self.kernel, self.stride, self.padding, self.ceil)

    def infer(self, x: Shape, pooled: Shape) -> Shape:
        result, windows = self.pooling.infer(pooled), self.pooling.windows(pooled)
        if any(window.stride < window.kernel for window in windows):
            kernel, stride = (tell_each(getattr(window, name) for window in windows) for name in ("kernel", "stride"))
            found = f"this one has the kernel {kernel} and the stride {stride}"
            raise OpError(f"max_unpool undoes a pooling whose windows do not overlap; {found}", "like")
        if pads_apart(self.padding, windows):
            raise OpError("max_unpool undoes a pooling that pads as much at both ends, by a number or `same`", "like")
        if self.ceil and any(window.padding or window.stride > window.kernel for window in windows):
            raise OpError("max_unpool undoes a `ceil` where the pooling pads nothing, at its kernel's stride", "like")
        if x != result:
            raise OpError(f"max_unpool needs the shape of what it undoes, {result}, found {x}", "like")
        return pooled

    def elementwise(self, *xs: Shape) -> int:
        return self.pooling.elementwise(xs[1])  # the places are found again

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        return not adds

    def bound(self, *xs: Bounds) -> Bounds:
        return xs[0].hull(ZERO)

    def stride_fraction(self, axis: int) -> Fraction:
        return 1 / self.pooling.stride_fraction(axis)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (self.pooling.windows(xs[1])[axis].output_span(span), None)

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout()

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved(indices=batch * xs[0].elements)

    def moments(self, x: Moments, pooled: Moments) -> Moments:
        """The moments of values of which each stands at one place of its window, whichever."""
        share, axes = self._spread(x.axes, pooled)
        return x.mixed().times(share, share, share**2, axes=axes, doubts=x.doubts | WINDOW, normal=False)

    def gradients(self, gradient: Gradient, x: Moments, pooled: Moments) -> tuple[Gradient, ...]:
        """The gradients, each that of one place of a window: the mean over the window."""
        windows = self.pooling.windows(pooled.shape)
        rows = zip(gradient.axes, windows, x.shape.space, strict=True)
        seen = [axis.gather(window, size) for axis, window, size in rows]
        gain = prod(total for total, _ in seen) / prod(window.kernel for window in windows)
        axes = tuple(axis for _, axis in seen)
        return (gradient.times(gain, axes=axes, doubts=gradient.doubts | WINDOW),)

    def _spread(self, axes: Sequence[Axis], pooled: Moments) -> tuple[float, tuple[Axis, ...]]:
        """The share of the positions that hold a value, and how they lie."""
        windows = self.pooling.windows(pooled.shape)
        rows = zip(axes, windows, pooled.shape.space, strict=True)
        sent = [axis.spread(window, size) for axis, window, size in rows]
        share = prod(total for total, _ in sent) / prod(window.kernel for window in windows)
        return share, tuple(axis for _, axis in sent)


@lru_cache(maxsize=256)
def _make_pooling(
    kernel: PositivePerAxis, stride: PositivePerAxis | None, padding: PaddingPerAxis, ceil: bool
) -> MaxPool:
    return MaxPool(kernel=kernel, stride=stride, padding=padding, ceil=ceil)
