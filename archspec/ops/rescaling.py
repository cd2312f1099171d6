"""Normalizations that divide by a size and take no mean off: by the root of the mean square, or by the length."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import inf, sqrt
from typing import ClassVar

from pydantic import Field

from archspec.ops.base import Family, Pointwise
from archspec.ops.bounds import Bounds
from archspec.ops.fields import Epsilon, Flag, Number
from archspec.ops.normalization import FEW, MIN_COUNTED
from archspec.ops.signal.axis import divide_by, even
from archspec.ops.signal.moments import Gradient, Moments
from archspec.ops.values import Layout, Saved, Shape, Weight, Weights


class Rescaling(Pointwise):
    """It divides the channels at each position by one number that they give."""

    family: ClassVar[Family] = "norm"
    odd: ClassVar[bool] = True

    @abstractmethod
    def factor(self, x: Moments) -> float:
        """The factor of squares, for many channels."""

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout(layouts[0].channels_last)

    def moments(self, x: Moments) -> Moments:
        """The moments, for so many channels that each position's own give their mean square."""
        factor, x = self.factor(x), x.mixed()
        doubts = x.doubts if x.channels >= MIN_COUNTED else x.doubts | FEW
        normal = x.normal and x.channels >= MIN_COUNTED
        return x.times(sqrt(factor), factor, factor, doubts=doubts, normal=normal, hollow=False, axes=even(x.axes))

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        """The gradients; what they say of the size is lost, one of n dimensions, and of n normal values the inverse of
        the mean square is expected n / (n - 2) times as large as of many."""
        n = x.channels
        if n <= 2:
            return ()
        spread, axes = divide_by(gradient.axes, x.axes)
        factor = spread * self.factor(x) * (n - 1) / (n - 2)
        return (gradient.times(factor, axes=axes, doubts=gradient.doubts | x.doubts | FEW),)


class RmsNorm(Rescaling):
    """Divides the channels at each position by the root of their mean square (Zhang and Sennrich, 2019), then scales
    each channel where `affine` is true; scales start at `start`."""

    affine: Flag = Field(True, description="scales each channel by a learned factor")
    start: Number = Field(1.0, description="first value of the factors")
    eps: Epsilon = Field(1e-6, description="term added to the mean square")

    def weights(self, x: Shape) -> Weights:
        return {"weight": Weight((x.channels,), self.start)} if self.affine else {}

    def elementwise(self, x: Shape) -> int:
        """The operations on each element: the square, the sum, the division; and the scale."""
        return (4 if self.affine else 3) * x.elements

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The operand and the root's inverse, and what is scaled."""
        (x,) = xs
        scaled = x.elements if self.affine else 0
        positions = x.elements // x.channels if needs[0] else 0
        return Saved((0,) if needs[0] else (), values=batch * (scaled + positions))

    def factor(self, x: Moments) -> float:
        scale = self.start if self.affine else 1.0
        return scale**2 / (x.whole.second + self.eps)


class L2Norm(Rescaling):
    """Divides the channels at each position by their length, the root of the sum of their squares, or by `eps` where
    that is smaller."""

    eps: Epsilon = Field(1e-12, description="smallest length that is divided by")

    def bound(self, x: Bounds) -> Bounds:
        return Bounds(0.0 if x.low >= 0 else -1.0, 0.0 if x.high <= 0 else 1.0)

    @property
    def keeps_zeros(self) -> bool:
        return True

    def elementwise(self, x: Shape) -> int:
        """The operations on each element: the square, the sum, the division."""
        return 3 * x.elements

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The operand, the length before and behind the bound."""
        (x,) = xs
        return Saved((0,), values=2 * batch * x.elements // x.channels)

    def factor(self, x: Moments) -> float:
        square = x.channels * x.whole.second
        return 1 / square if square else inf
