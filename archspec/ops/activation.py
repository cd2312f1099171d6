"""Activations: one value in, one of the same shape out, position by position."""

from __future__ import annotations

from dataclasses import replace
from math import erf, exp, expm1, inf, isfinite, log1p, pi, prod, sqrt, tanh
from typing import ClassVar, Literal

from pydantic import Field

from archspec.ops.base import Gating
from archspec.ops.bounds import POSITIVE, SHARE, UNKNOWN, Bounds
from archspec.ops.fields import Number
from archspec.ops.scalar import Scalar
from archspec.ops.signal.gaussian import ChannelMoments, Passed, pass_rectifier
from archspec.ops.signal.moments import Doubts, Gradient, Moments, doubt_dropped
from archspec.ops.values import Casting, Saved, Saves, Shape, Weight, Weights


class Rectifier(Scalar):
    """Straight on both sides of zero."""

    identity_on: ClassVar[Bounds | None] = POSITIVE

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        return not flips and not adds

    def bound(self, x: Bounds) -> Bounds:
        if x.low >= 0:
            return x
        if self.below < 0:
            return POSITIVE
        low = (self.curve(x.low) if isfinite(x.low) else -inf) if self.below else 0.0
        return Bounds(low, max(0.0, x.high))

    @property
    def below(self) -> float:
        """The slope below zero, at initialization."""
        return 0.0

    def curve(self, x: float) -> float:
        return x if x > 0 else self.below * x

    def derivative(self, x: float) -> float:
        return 1.0 if x > 0 else self.below

    def passed(self, x: ChannelMoments) -> Passed:
        return pass_rectifier(self.below, x)

    def doubt(self, x: Moments) -> Doubts:
        """Doubt nothing where positions differ in scale: around zero the law holds at any scale."""
        if _is_centred(x):
            return x.doubts if x.normal else x.doubts | {"shape"}
        return super().doubt(x)

    def moments(self, x: Moments) -> Moments:
        # The mean goes with the root of what is spread, and so does what two samples have in common at two positions.
        root = prod([axis.root for axis in x.axes]) if _is_centred(x) else 1.0

        def law(part: ChannelMoments) -> ChannelMoments:
            part = self.apply(part, x.chance).part
            return part if root == 1 else ChannelMoments(root * part.mean, part.second, root**2 * part.common)

        rectified = x if self.below == 0 else None
        return x.each(law, doubts=self.doubt(x), normal=False, rectified=rectified)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        """The gradients; at zero itself the slope is that below."""
        gains = [(count, self.apply(part, x.chance).gain) for count, part in x.runs]
        sent = gradient.by(gains, at_rectifier=True, doubts=gradient.doubts | self.doubt(x) | doubt_dropped(x))
        if not x.hollow or not any(axis.gaps for axis in x.axes):
            return (sent,)
        if self.below:
            return (replace(sent, doubts=sent.doubts | {"border"}),)
        masked = [axis.mask(own) for axis, own in zip(sent.axes, x.axes, strict=True)]
        return (sent.times(prod([kept for kept, _ in masked]), axes=tuple([axis for _, axis in masked])),)


class Relu(Rectifier):
    """max(0, x)."""

    saves: ClassVar[Saves] = "result"


class Swish(Scalar):
    """It falls to a least number a little below zero, then rises; at zero it is zero, and above it positive."""

    def bound(self, x: Bounds) -> Bounds:
        return self.image if x.low < 0 else Bounds(0.0, x.high)


class Relu6(Scalar):
    """min(max(0, x), 6)."""

    image: ClassVar[Bounds] = Bounds(0.0, 6.0)
    rises: ClassVar[bool] = True
    identity_on: ClassVar[Bounds | None] = Bounds(0.0, 6.0)
    bends: ClassVar[tuple[float, ...]] = (0.0, 6.0)

    def curve(self, x: float) -> float:
        return min(max(0.0, x), 6.0)

    def derivative(self, x: float) -> float:
        return float(0 < x < 6)


class LeakyRelu(Rectifier):
    """x above zero, slope · x below."""

    main: ClassVar[str | None] = "slope"

    slope: Number = Field(0.01, description="slope below zero")

    @property
    def below(self) -> float:
        return self.slope


class Prelu(Rectifier):
    """x above zero, a learned slope below, one for each channel or (`per: network`) one for all; slopes start at
    `start`."""

    main: ClassVar[str | None] = "start"
    newer: ClassVar[frozenset[str]] = frozenset({"per"})

    start: Number = Field(0.25, description="first value of the slopes below zero")
    per: Literal["channel", "network"] = Field("channel", description="what has a slope: each channel, or the layer")

    def weights(self, x: Shape) -> Weights:
        return {"weight": Weight((x.channels if self.per == "channel" else 1,), self.start)}

    def casting(self, *xs: Shape) -> Casting:
        return "narrow"

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved((0,), kernels=self.weights(xs[0])["weight"].numel)

    def bound(self, x: Bounds) -> Bounds:
        return x if x.low >= 0 else UNKNOWN  # its slopes are learned

    @property
    def below(self) -> float:
        return self.start


class Elu(Scalar):
    """x above zero, alpha (exp(x) - 1) below."""

    main: ClassVar[str | None] = "alpha"

    identity_on: ClassVar[Bounds | None] = POSITIVE

    alpha: Number = Field(1.0, description="negative of the limit far below zero")

    def bound(self, x: Bounds) -> Bounds:
        if x.low >= 0:
            return x
        if self.alpha < 0:
            return POSITIVE
        return Bounds(self.curve(x.low) if isfinite(x.low) else -self.alpha, max(0.0, x.high))

    def curve(self, x: float) -> float:
        return x if x > 0 else self.alpha * expm1(x)

    def derivative(self, x: float) -> float:
        return 1.0 if x > 0 else self.alpha * exp(x)


class Gelu(Swish):
    """x Φ(x), exactly or by the tanh formula (Hendrycks and Gimpel, 2016)."""

    image: ClassVar[Bounds] = Bounds(-0.18, inf)
    bends: ClassVar[tuple[float, ...]] = (-3.0, 0.0, 3.0)

    approximate: Literal["none", "tanh"] = Field("none", description="exact, or by the tanh formula")

    def curve(self, x: float) -> float:
        return x * _normal_below(x)  # the tanh formula differs by less than 0.0005

    def derivative(self, x: float) -> float:
        return _normal_below(x) + x * exp(-(x**2) / 2) / sqrt(2 * pi)


class Silu(Swish):
    """x sigmoid(x)."""

    image: ClassVar[Bounds] = Bounds(-0.28, inf)
    bends: ClassVar[tuple[float, ...]] = (-6.0, 0.0, 6.0)

    def curve(self, x: float) -> float:
        return x * _sigmoid(x)

    def derivative(self, x: float) -> float:
        share = _sigmoid(x)
        return share + x * share * (1 - share)


class Sigmoid(Scalar):
    """1 / (1 + exp(-x))."""

    gating: ClassVar[Gating] = "gate"
    image: ClassVar[Bounds] = SHARE
    rises: ClassVar[bool] = True
    bends: ClassVar[tuple[float, ...]] = (-6.0, 0.0, 6.0)
    saves: ClassVar[Saves] = "result"

    def curve(self, x: float) -> float:
        return _sigmoid(x)

    def derivative(self, x: float) -> float:
        return _sigmoid(x) * _sigmoid(-x)


class HardSigmoid(Scalar):
    """min(max(0, x + 3), 6) / 6."""

    gating: ClassVar[Gating] = "gate"
    image: ClassVar[Bounds] = SHARE
    rises: ClassVar[bool] = True
    bends: ClassVar[tuple[float, ...]] = (-3.0, 3.0)

    def curve(self, x: float) -> float:
        return min(max(0.0, x + 3), 6.0) / 6

    def derivative(self, x: float) -> float:
        return (-3 < x < 3) / 6


class HardSwish(Swish):
    """x hard_sigmoid(x)."""

    image: ClassVar[Bounds] = Bounds(-0.376, inf)
    bends: ClassVar[tuple[float, ...]] = (-3.0, 3.0)

    def curve(self, x: float) -> float:
        return x * min(max(0.0, x + 3), 6.0) / 6

    def derivative(self, x: float) -> float:
        return (2 * x + 3) / 6 if -3 < x < 3 else float(x > 0)


class Tanh(Scalar):
    """tanh(x)."""

    image: ClassVar[Bounds] = Bounds(-1.0, 1.0)
    rises: ClassVar[bool] = True
    odd: ClassVar[bool] = True
    bends: ClassVar[tuple[float, ...]] = (-3.0, 0.0, 3.0)
    saves: ClassVar[Saves] = "result"

    def curve(self, x: float) -> float:
        return tanh(x)

    def derivative(self, x: float) -> float:
        return 1 - tanh(x) ** 2


class Softplus(Scalar):
    """log(1 + exp(x))."""

    image: ClassVar[Bounds] = POSITIVE
    rises: ClassVar[bool] = True
    bends: ClassVar[tuple[float, ...]] = (-6.0, 0.0, 6.0)

    def curve(self, x: float) -> float:
        return max(0.0, x) + log1p(exp(-abs(x)))

    def derivative(self, x: float) -> float:
        return _sigmoid(x)


def _is_centred(x: Moments) -> bool:
    return not any(part[0] for _, part in x.runs)


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x)) if x > -700 else 0.0


def _normal_below(x: float) -> float:
    """The probability that a standard normal value is below x."""
    return (1 + erf(x / sqrt(2))) / 2
