"""Local response normalization, which divides by what the channels beside a number hold."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import ClassVar

from pydantic import Field

from archspec.ops.base import Family, Pointwise
from archspec.ops.bounds import Bounds
from archspec.ops.fields import Gain, Number, Positive
from archspec.ops.normalization import FEW
from archspec.ops.signal.moments import Gradient, Moments
from archspec.ops.values import Casting, Layout, OpError, Saved, Shape
from archspec.ops.window import count_pairs


class LocalResponseNorm(Pointwise):
    """x / (k + alpha · mean of squares) ^ beta, with the mean over `size` channels around each, and zeros beyond the
    first and the last (Krizhevsky et al., 2012; alpha is that of torch and ONNX, which divide it by `size`)."""

    family: ClassVar[Family] = "norm"
    main: ClassVar[str | None] = "size"
    odd: ClassVar[bool] = True

    size: Positive = Field(5, description="channels of a mean, an odd number")
    alpha: Gain = Field(1e-4, description="factor of the mean square")
    beta: Gain = Field(0.75, description="power that is divided by")
    k: Number = Field(1.0, gt=0, description="term beside the mean square")

    @property
    def keeps_zeros(self) -> bool:
        return True

    def infer(self, x: Shape) -> Shape:
        if x.rank == 0:
            raise OpError(f"local_response_norm needs a map, found the vector {x}")
        if self.size % 2 == 0:
            raise OpError(f"local_response_norm is around a channel: size should be odd, found {self.size}", "size")
        return x

    def bound(self, x: Bounds) -> Bounds:
        """The bounds where the divisor is the least that it can be, k ^ beta."""
        return x.times(Bounds(0.0, self.k**-self.beta))

    def elementwise(self, x: Shape) -> int:
        """The operations on each element: its square, the sum over `size` places, factor, term, power and division."""
        return (self.size + 5) * x.elements

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout(layouts[0].channels_last)

    def casting(self, *xs: Shape) -> Casting:
        """The means of maps with two axes or three are in four bytes."""
        return "promoted" if xs[0].rank > 1 else "widest"

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The operand, its squares with zeros beside them, and what is divided by before and behind the power."""
        (x,) = xs
        made = batch * (2 * x.elements + (x.channels + self.size - 1) * prod(x.space))
        return Saved((0,), full=made) if x.rank > 1 else Saved((0,), values=made)

    def factor(self, x: Moments) -> float:
        """The factor of squares, as far as means of squares are the same for all."""
        inside = count_pairs(x.channels, self.size // 2) / (self.size * x.channels)
        return float((self.k + self.alpha * inside * x.whole.second) ** (-2 * self.beta))

    def moments(self, x: Moments) -> Moments:
        factor, x = self.factor(x), x.mixed()
        return x.times(factor**0.5, factor, factor, doubts=x.doubts | FEW, normal=False, hollow=False)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (gradient.times(self.factor(x), doubts=gradient.doubts | x.doubts | FEW),)
