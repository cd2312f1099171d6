"""The reduction of all channels, or of all positions, to one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf, sqrt
from typing import ClassVar, Literal

from pydantic import Field

from archspec.ops.base import Family, Layer
from archspec.ops.bounds import POSITIVE, Bounds
from archspec.ops.normalization import FEW, MIN_COUNTED
from archspec.ops.pooling import GlobalAvgPool, GlobalMaxPool, find_share_of_rectified, take_largest
from archspec.ops.signal.axis import Axis
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import WINDOW, Flow, Gradient, Moments
from archspec.ops.values import Layout, OpError, Saved, Shape
from archspec.ops.window import Positions, Span, run


class Reduce(Layer):
    """The mean, the largest, the sum or the length (`norm`, the root of the sum of squares) over all channels at each
    position, or over all positions of each channel; what it is taken over stays, with extent 1."""

    family: ClassVar[Family] = "resize"

    over: Literal["channels", "positions"] = Field("channels", description="what it is taken over")
    by: Literal["mean", "max", "sum", "norm"] = Field("mean", description="what is taken")

    @property
    def over_channels(self) -> bool:
        return self.over == "channels"

    @property
    def keeps_zeros(self) -> bool:
        return not self.over_channels

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        """True for the mean of each channel, its largest number where factors keep the order, and then for its length,
        but for terms."""
        if self.over_channels:
            return False
        return self.by == "mean" or (not flips and (self.by == "max" or (self.by == "norm" and not adds)))

    def bound(self, x: Bounds) -> Bounds:
        if self.by == "norm":
            return POSITIVE
        if self.by != "sum":
            return x
        return Bounds(0.0 if x.low >= 0 else -inf, 0.0 if x.high <= 0 else inf)

    def infer(self, x: Shape) -> Shape:
        if self.over_channels:
            return Shape(1, *x.space)
        if x.rank == 0:
            remedy = "its channels are `over: channels`"
            raise OpError(f"reduce over positions needs a map, found the vector {x}; {remedy}", "over")
        return Shape(x.channels, *[1] * x.rank)

    def elementwise(self, x: Shape) -> int:
        return (2 if self.by == "norm" else 1) * x.elements

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (run(span) if self.over_channels else None,)

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout(layouts[0].channels_last)

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved((0,), result=True) if self.by in ("max", "norm") else Saved()

    def moments(self, x: Moments) -> Moments:
        """The moments of sums over channels, which are independent but for their means; over positions, those of global
        pooling."""
        if self.by == "norm":
            return self._take_lengths(x)
        factor = 1 if self.by != "sum" else x.channels if self.over_channels else x.positions
        if not self.over_channels:
            pooled = (GlobalMaxPool() if self.by == "max" else GlobalAvgPool()).moments(x)
            return pooled.times(factor, factor**2, factor**2)
        if self.by == "max":
            return take_largest(_as_one_channel(x), float(x.channels), x.axes)
        n, squares = x.channels, sum(n * part.mean**2 for n, part in x.runs) / x.channels
        apart, whole = x.whole.mean**2 - squares / n, x.before_averaging().whole
        law = ChannelMoments(whole.mean, whole.second / n + apart, whole.common / n + apart)
        one = replace(x.before_averaging(), runs=((1, law),), rectified=None, doubts=x.doubts | WINDOW)
        return one.times(factor, factor**2, factor**2)

    def _take_lengths(self, x: Moments) -> Moments:
        """The moments of lengths, as of many numbers that are normal and independent: of n with the second moment s,
        the mean square is n s, and the variance s / 2."""
        n = x.channels if self.over_channels else x.positions
        x = _as_one_channel(x) if self.over_channels else replace(x, axes=(Axis(1),) * len(x.axes))
        doubts = x.doubts | WINDOW if n >= MIN_COUNTED else x.doubts | WINDOW | FEW

        def law(part: ChannelMoments) -> ChannelMoments:
            square = max(0.0, (n - 0.5) * part.second)
            return ChannelMoments(sqrt(square), n * part.second, square)

        return x.mixed().each(law, doubts=doubts, hollow=False, normal=x.normal and n >= MIN_COUNTED)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        if not self.over_channels and self.by != "norm":
            (sent,) = (GlobalMaxPool() if self.by == "max" else GlobalAvgPool()).gradients(gradient, x)
            return (sent.times(x.positions**2) if self.by == "sum" else sent,)
        if not self.over_channels:  # what a number is of the length
            axes = tuple(Axis(axis.size) for axis in x.axes)
            return (gradient.times(1 / x.positions, axes=axes, doubts=gradient.doubts | x.doubts | WINDOW),)
        n = x.channels
        share = {"mean": 1 / n**2, "sum": 1.0}.get(self.by, 1 / n)
        flow = Flow(share * gradient.second, share * gradient.second)
        sent = replace(gradient, runs=((n, flow),), doubts=gradient.doubts | x.doubts | WINDOW)
        if self.by != "max" or x.rectified is None:
            return (sent,)
        return (sent.times_at_rectifier([(n, find_share_of_rectified(float(n), x.rectified.whole))]),)


def _as_one_channel(x: Moments) -> Moments:
    before = x.rectified and replace(x.rectified, runs=((1, x.rectified.whole),))
    return replace(x, runs=((1, x.whole),), rectified=before)
