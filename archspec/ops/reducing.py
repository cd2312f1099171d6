"""The reduction of all channels, or of all positions, to one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import ClassVar, Literal

from pydantic import Field

from archspec.ops.base import Family, Layer
from archspec.ops.bounds import Bounds
from archspec.ops.pooling import GlobalAvgPool, GlobalMaxPool, find_share_of_rectified, take_largest
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import WINDOW, Flow, Gradient, Moments
from archspec.ops.signal.runs import average
from archspec.ops.values import Layout, OpError, Saved, Shape
from archspec.ops.window import Positions, Span, run


class Reduce(Layer):
    """The mean, the largest or the sum over all channels at each position, or over all positions of each channel; what
    it is taken over stays, with extent 1."""

    family: ClassVar[Family] = "resize"

    over: Literal["channels", "positions"] = Field("channels", description="what it is taken over")
    by: Literal["mean", "max", "sum"] = Field("mean", description="what is taken")

    @property
    def over_channels(self) -> bool:
        return self.over == "channels"

    @property
    def keeps_zeros(self) -> bool:
        return not self.over_channels

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        """True for the mean of each channel, and its largest number where factors keep the order."""
        return not self.over_channels and (self.by == "mean" or (self.by == "max" and not flips))

    def bound(self, x: Bounds) -> Bounds:
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
        return x.elements

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (run(span) if self.over_channels else None,)

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout(layouts[0].channels_last)

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved((0,), result=True) if self.by == "max" else Saved()

    def moments(self, x: Moments) -> Moments:
        """The moments of sums over channels, which are independent but for their means; over positions, those of global
        pooling."""
        factor = 1 if self.by != "sum" else x.channels if self.over_channels else x.positions
        if not self.over_channels:
            pooled = (GlobalMaxPool() if self.by == "max" else GlobalAvgPool()).moments(x)
            return pooled.times(factor, factor**2, factor**2)
        if self.by == "max":
            return take_largest(_as_one_channel(x), float(x.channels), x.axes)
        n, squares = x.channels, average(tuple((n, (part.mean**2,)) for n, part in x.runs))[0]
        apart, whole = x.whole.mean**2 - squares / n, x.before_averaging().whole
        law = ChannelMoments(whole.mean, whole.second / n + apart, whole.common / n + apart)
        one = replace(x.before_averaging(), runs=((1, law),), rectified=None, doubts=x.doubts | WINDOW)
        return one.times(factor, factor**2, factor**2)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        if not self.over_channels:
            (sent,) = (GlobalMaxPool() if self.by == "max" else GlobalAvgPool()).gradients(gradient, x)
            return (sent.times(x.positions**2) if self.by == "sum" else sent,)
        n = x.channels
        share = {"mean": 1 / n**2, "sum": 1.0, "max": 1 / n}[self.by]
        flow = Flow(share * gradient.second, share * gradient.second)
        sent = replace(gradient, runs=((n, flow),), doubts=gradient.doubts | x.doubts | WINDOW)
        if self.by != "max" or x.rectified is None:
            return (sent,)
        return (sent.times_at_rectifier([(n, find_share_of_rectified(float(n), x.rectified.whole))]),)


def _as_one_channel(x: Moments) -> Moments:
    before = x.rectified and replace(x.rectified, runs=((1, x.rectified.whole),))
    return replace(x, runs=((1, x.whole),), rectified=before)
