"""Further functions of each value, as networks of several families have them, and the gated linear unit."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from math import exp, expm1, inf, isfinite, log, sqrt, tanh
from typing import ClassVar

from pydantic import Field

from archspec.ops.activation import Rectifier, Sigmoid, Softplus, Swish
from archspec.ops.base import Family, Layer
from archspec.ops.bounds import POSITIVE, SHARE, Bounds
from archspec.ops.fields import Epsilon, Number
from archspec.ops.scalar import Scalar
from archspec.ops.signal.gaussian import ChannelMoments, Passed
from archspec.ops.signal.moments import PRODUCT, Gradient, Moments, join_doubts
from archspec.ops.signal.runs import cut, join
from archspec.ops.signal.sums import multiply
from archspec.ops.values import OpError, Saved, Saves, Shape

MAX_EXPONENT = 700.0
"""The largest number whose exponential is computed: that of a larger one is no double."""
DECADES = 16
"""The number of powers of ten over which a function of positive numbers is looked at closely."""


class Mish(Swish):
    """x tanh(softplus(x)) (Misra, 2019)."""

    image: ClassVar[Bounds] = Bounds(-0.31, inf)
    bends: ClassVar[tuple[float, ...]] = (-6.0, 0.0, 6.0)

    def curve(self, x: float) -> float:
        return x * tanh(Softplus().curve(x))

    def derivative(self, x: float) -> float:
        gate = tanh(Softplus().curve(x))
        return gate + x * (1 - gate**2) * Sigmoid().curve(x)


class Selu(Scalar):
    """scale x above zero, scale alpha (exp(x) - 1) below, with the two numbers that keep mean 0 and variance 1
    (Klambauer et al., 2017)."""

    ALPHA: ClassVar[float] = 1.6732632423543772
    SCALE: ClassVar[float] = 1.0507009873554805

    image: ClassVar[Bounds] = Bounds(-ALPHA * SCALE, inf)
    rises: ClassVar[bool] = True

    def curve(self, x: float) -> float:
        return self.SCALE * (x if x > 0 else self.ALPHA * expm1(x))

    def derivative(self, x: float) -> float:
        return self.SCALE * (1.0 if x > 0 else self.ALPHA * exp(x))


class HardTanh(Scalar):
    """min(max(-1, x), 1)."""

    image: ClassVar[Bounds] = Bounds(-1.0, 1.0)
    rises: ClassVar[bool] = True
    odd: ClassVar[bool] = True
    identity_on: ClassVar[Bounds | None] = Bounds(-1.0, 1.0)
    bends: ClassVar[tuple[float, ...]] = (-1.0, 1.0)

    def curve(self, x: float) -> float:
        return min(max(-1.0, x), 1.0)

    def derivative(self, x: float) -> float:
        return float(-1 < x < 1)


class Clip(Scalar):
    """min(max(low, x), high); without one of the two bounds there is none on that side."""

    rises: ClassVar[bool] = True

    low: Number | None = Field(None, description="smallest number of the result")
    high: Number | None = Field(None, description="largest number of the result")

    @property
    def interval(self) -> Bounds:
        """The numbers that it gives back as they are."""
        return Bounds(-inf if self.low is None else self.low, inf if self.high is None else self.high)

    def infer(self, x: Shape) -> Shape:
        if self.low is None and self.high is None:
            raise OpError("clip needs `low`, `high` or both")
        if self.interval.low > self.interval.high:
            raise OpError(f"low: {self.low:g} is larger than high: {self.high:g}", "low")
        return x

    def bound(self, x: Bounds) -> Bounds:
        return Bounds(*map(self.curve, x))

    @property
    def identity_on(self) -> Bounds | None:  # type: ignore[override]
        return self.interval

    @property
    def bends(self) -> tuple[float, ...]:  # type: ignore[override]
        return tuple([end for end in self.interval if isfinite(end)])

    def curve(self, x: float) -> float:
        return min(max(self.interval.low, x), self.interval.high)

    def derivative(self, x: float) -> float:
        return float(self.interval.low < x < self.interval.high)


class Abs(Rectifier):
    """The absolute value: x above zero, -x below."""

    def bound(self, x: Bounds) -> Bounds:
        return Bounds(max(0.0, x.low, -x.high), max(-x.low, x.high))

    @property
    def below(self) -> float:
        return -1.0

    def derivative(self, x: float) -> float:
        return float((x > 0) - (x < 0))


class Exp(Scalar):
    """exp(x)."""

    image: ClassVar[Bounds] = POSITIVE
    rises: ClassVar[bool] = True
    saves: ClassVar[Saves] = "result"

    def bound(self, x: Bounds) -> Bounds:
        return Bounds(self.curve(x.low), self.curve(x.high) if x.high <= MAX_EXPONENT else inf)

    def curve(self, x: float) -> float:
        return exp(min(x, MAX_EXPONENT))

    def derivative(self, x: float) -> float:
        return self.curve(x)

    def passed(self, x: ChannelMoments) -> Passed:
        """The moments of the exponential of a normal value, which is lognormal: E exp(k x) = exp(k m + k² v / 2)."""
        variance, shared = max(0.0, x.second - x.mean**2), x.common - x.mean**2
        second = self.curve(2 * x.mean + 2 * variance)
        common = self.curve(2 * x.mean + variance + shared)
        return Passed(ChannelMoments(self.curve(x.mean + variance / 2), second, common), second)


class Floored(Scalar):
    """A function of positive numbers; those below `eps` count as `eps`, so that it and its slope are finite."""

    rises: ClassVar[bool] = True

    eps: Epsilon = Field(1e-6, description="smallest number that it is taken of; smaller ones count as this")

    @abstractmethod
    def above(self, x: float) -> float:
        """The function of a number from `eps` on."""

    @abstractmethod
    def slope(self, x: float) -> float:
        """The derivative there."""

    def curve(self, x: float) -> float:
        return self.above(max(x, self.eps))

    def derivative(self, x: float) -> float:
        return self.slope(x) if x > self.eps else 0.0

    def bound(self, x: Bounds) -> Bounds:
        return Bounds(*map(self.curve, x))

    @property
    def bends(self) -> tuple[float, ...]:  # type: ignore[override]
        """The powers of ten from `eps` on: its slope falls by as much from one to the next."""
        return tuple([self.eps * 10.0**i for i in range(DECADES)])

    def elementwise(self, x: Shape) -> int:
        return 2 * x.elements  # the comparison and the function


class Sqrt(Floored):
    """√max(x, eps)."""

    def above(self, x: float) -> float:
        return sqrt(x)

    def slope(self, x: float) -> float:
        return 0.5 / sqrt(x)

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved((0,), result=True)


class Log(Floored):
    """The natural logarithm of max(x, eps)."""

    def above(self, x: float) -> float:
        return log(x)

    def slope(self, x: float) -> float:
        return 1 / x

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The operand, and what of it is not below `eps`."""
        return Saved((0,), values=batch * xs[0].elements)


class Glu(Layer):
    """Gated linear unit (Dauphin et al., 2017): (2C, *S) -> (C, *S), the first half of the channels times the sigmoid
    of the second."""

    family: ClassVar[Family] = "activation"
    saves: ClassVar[Saves] = "operands"

    def infer(self, x: Shape) -> Shape:
        if x.channels % 2:
            raise OpError(f"glu needs an even number of channels, found {x.channels}")
        return Shape(x.channels // 2, *x.space)

    def elementwise(self, x: Shape) -> int:
        return x.elements  # the sigmoid and the product, of half of it

    def bound(self, x: Bounds) -> Bounds:
        return x.times(SHARE)

    def moments(self, x: Moments) -> Moments:
        value, gate = _halve(x)
        return multiply((value, Sigmoid().moments(gate)))

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        """The gradients of the factors, in order: each is that of the product, times the square of the other one."""
        value, gate = _halve(x)
        to_value = gradient.by((n, part.second) for n, part in Sigmoid().moments(gate).runs)
        to_share = gradient.by((n, part.second) for n, part in value.runs)
        (to_gate,) = Sigmoid().gradients(to_share, gate)
        doubts = join_doubts((to_value, to_gate, x), PRODUCT)
        return (replace(to_value, runs=join([*to_value.runs, *to_gate.runs]), doubts=doubts),)


def _halve(x: Moments) -> tuple[Moments, Moments]:
    """The moments of the two halves of the channels."""
    half = x.channels // 2
    first, second = (replace(x, runs=cut(x.runs, start, half), rectified=None) for start in (0, half))
    return first, second
