"""Operations that chance decides about while training."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from archspec.ops.base import Family, Op, Pointwise
from archspec.ops.bounds import ZERO, Bounds
from archspec.ops.fields import Flag, Probability
from archspec.ops.scaling import Scale
from archspec.ops.signal.moments import Chance, Gradient, Moments
from archspec.ops.values import Draw, Saved, Shape, count_draws


class Dropout(Pointwise):
    """While training, sets each element to zero with probability `rate` and divides the others by 1 - rate."""

    family: ClassVar[Family] = "chance"
    main: ClassVar[str | None] = "rate"
    odd: ClassVar[bool] = True

    rate: Probability = Field(0.5, description="probability with which a number becomes zero")

    def bound(self, x: Bounds) -> Bounds:
        kept = 1 - self.rate
        return x.hull(ZERO, x.scaled(1 / kept) if kept else ZERO)

    def changes_nothing(self, *xs: Shape) -> str:
        return "it drops nothing" if self.rate == 0 else ""

    def at_inference(self) -> Op:
        return Scale()

    def is_view(self, x: Shape, *, training: bool) -> bool:
        return self.rate == 0 or not training

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The mask, which torch on a CPU keeps as numbers, and the factor 0 where nothing is let through."""
        return Saved(values=1 if self.rate == 1 else batch * xs[0].elements if self.rate else 0)

    @property
    def _factor(self) -> float:
        """The expected square of what it multiplies by."""
        return 0.0 if self.rate == 1 else 1 / (1 - self.rate)

    def moments(self, x: Moments) -> Moments:
        if self.rate == 0:
            return x
        kept = 1 - self.rate
        return x.drop(Chance(kept, kept**2, whole=False), 1 / kept if kept else 0.0)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (gradient.times(self._factor),)


class StochasticDepth(Pointwise):
    """While training, keeps a value with probability `survival` and sets it to zero otherwise; at inference multiplies
    it by `survival`, the expected value (Huang et al., 2016).

    Chance decides for each sample, or once for the batch (`draw: batch`), as the paper has it. With `rescale`, training
    divides what it keeps by `survival` instead, and inference changes nothing.
    """

    family: ClassVar[Family] = "chance"
    main: ClassVar[str | None] = "survival"
    odd: ClassVar[bool] = True

    survival: Probability = Field(0.8, description="probability with which a body is kept")
    draw: Draw = Field("sample", description="draws for each sample, or once for a batch")
    rescale: Flag = Field(
        False,
        description="divides what is kept by its probability while training, instead of multiplying by it at inference",
    )

    def bound(self, x: Bounds) -> Bounds:
        return x.hull(ZERO, x.scaled(1 / self.survival if self.rescale and self.survival else 1.0))

    def changes_nothing(self, *xs: Shape) -> str:
        return "it drops nothing" if self.survival == 1 else ""

    def at_inference(self) -> Op:
        return Scale(value=self.expected)

    @property
    def expected(self) -> float:
        """The factor by which it multiplies at inference."""
        return 1.0 if self.rescale else self.survival

    def elementwise(self, x: Shape) -> int:
        return 0 if self.rescale else x.elements

    def is_view(self, x: Shape, *, training: bool) -> bool:
        return self.rescale and not training

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved(values=count_draws(self.draw, batch))

    @property
    def _kept(self) -> float:
        """The factor that it multiplies by where it keeps a value, while training."""
        return 1 / self.survival if self.rescale and self.survival else 1.0

    def moments(self, x: Moments) -> Moments:
        if self.survival == 1:
            return x
        both = self.survival if self.draw == "batch" else self.survival**2
        return x.drop(Chance(self.survival, both, whole=True), self._kept)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (gradient.times(self.survival * self._kept**2),)


class ShakeDrop(Pointwise):
    """While training, multiplies by b + α - b α forward and by b + β - b β backward, with b = 1 at probability
    `survival` and 0 otherwise, α uniform in [-1, 1] and β in [0, 1], drawn apart; at inference by `survival`, the
    expected forward factor (Yamada et al., 2019)."""

    family: ClassVar[Family] = "chance"
    main: ClassVar[str | None] = "survival"
    odd: ClassVar[bool] = True

    survival: Probability = Field(0.5, description="probability with which a body is kept")
    draw: Draw = Field("sample", description="draws for each sample, or once for a batch")

    def bound(self, x: Bounds) -> Bounds:
        return x.times(Bounds(-1.0, 1.0))

    def changes_nothing(self, *xs: Shape) -> str:
        return "it drops nothing" if self.survival == 1 else ""

    def at_inference(self) -> Op:
        return Scale(value=self.survival)

    def elementwise(self, x: Shape) -> int:
        return x.elements

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved(full=count_draws(self.draw, batch))

    @property
    def _square(self) -> float:
        """The expected square of either factor: 1 where b is, and that of α or β, a third, where it is not."""
        return self.survival + (1 - self.survival) / 3

    def moments(self, x: Moments) -> Moments:
        common = self._square if self.draw == "batch" else self.survival**2
        x = x if self.survival == 1 else replace(x.mixed(), normal=False)
        return x.times(self.survival, self._square, common)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (gradient.times(self._square),)
