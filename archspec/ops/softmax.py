"""Shares of a sum: softmax."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, prod
from typing import ClassVar, Literal

from pydantic import Field

from archspec.ops.base import Gating
from archspec.ops.bounds import SHARE, Bounds
from archspec.ops.fields import Positive
from archspec.ops.scalar import Activation
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import PRODUCT, Gradient, Moments
from archspec.ops.values import Layout, OpError, Saves, Shape


class Softmax(Activation):
    """exp(x) over its sum: along the channels at each position, along all positions of each channel, or (`branches`)
    along so many branches, whose channels stand one branch behind the other."""

    gating: ClassVar[Gating] = "gate"
    saves: ClassVar[Saves] = "result"
    newer: ClassVar[frozenset[str]] = frozenset({"over", "branches"})

    over: Literal["channels", "positions"] = Field("channels", description="what the shares of one sum are along")
    branches: Positive | None = Field(None, description="branches whose channels are compared; else all channels are")

    def infer(self, x: Shape) -> Shape:
        if self.over == "positions" and self.branches is not None:
            raise OpError("branches are of channels; leave out `over: positions`", "branches")
        if self.over == "positions" and x.rank == 0:
            raise OpError(f"softmax over positions needs a map, found the vector {x}", "over")
        if x.channels % (self.branches or 1):
            raise OpError(f"branches: {self.branches} does not divide the {x.channels} channels of {x}", "branches")
        return x

    @property
    def over_channels(self) -> bool:
        """True if each position has its shares among all channels."""
        return self.over == "channels" and self.branches is None

    def count_shares(self, x: Shape) -> int:
        """Count the shares of one sum."""
        return self.branches or (x.channels if self.over == "channels" else prod(x.space))

    @property
    def sees_all(self) -> bool:
        return self.over == "positions"

    def bound(self, x: Bounds) -> Bounds:
        return SHARE

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout()

    def elementwise(self, x: Shape) -> int:
        return 3 * x.elements  # exp, the sum, the division

    def moments(self, x: Moments) -> Moments:
        """The moments of shares: the mean is one over their number; the rest is for many that are normal and alike."""
        n, part = self.count_shares(x.shape), x.whole
        second = _share_square(n, part.second - part.mean**2)
        law = ChannelMoments(1 / n, second, _share_square(n, part.common - part.mean**2))
        shares, doubts = ((x.channels, law),), x.doubts | PRODUCT
        return Moments(shares, x.axes, doubts, normal=False, hollow=False, narrow=x.narrow, least=x.least)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        """The gradients E (pᵢ (gᵢ - Σ pⱼ gⱼ))², with n (E pᵢ²)² for E pᵢ³, as it is for equal shares and for a single
        one."""
        n = self.count_shares(x.shape)
        square = _share_square(n, x.whole.second - x.whole.mean**2)
        kept = square * max(0.0, 1 - n * square)
        return (gradient.times(kept, doubts=gradient.doubts | x.doubts | PRODUCT),)


def _share_square(count: int, variance: float) -> float:
    """The expected square of one of n shares exp(xᵢ) / Σ exp(xⱼ): eᵛ/n² for a small variance v, 1/n for a large one."""
    spread = exp(min(variance, 500.0))
    return spread / (count * (count - 1 + spread))
