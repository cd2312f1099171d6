"""Operations that multiply by a factor or add a term, given or learned."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from pydantic import Field

from archspec.ops.base import Family, Gating, Pointwise
from archspec.ops.bounds import UNKNOWN, Bounds
from archspec.ops.fields import Flag, Number
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import Gradient, Moments
from archspec.ops.values import Casting, Saved, Shape, Weight, Weights

Per: TypeAlias = Literal["value", "channel", "position"]


class Scale(Pointwise):
    """value · x; the factor is learned where `trainable` is true (SkipInit starts it at zero), one number,
    `per: channel` (layer scale), or `per: position`, which fixes the sizes."""

    family: ClassVar[Family] = "chance"
    gating: ClassVar[Gating] = "passes"
    main: ClassVar[str | None] = "value"
    odd: ClassVar[bool] = True
    keeps_zeros: ClassVar[bool] = True

    value: Number = Field(1.0, description="factor, or its first value")
    trainable: Flag = Field(False, description="learns the factor")
    per: Per = Field("value", description="learns one number, one for each channel, or for each at each position")

    @property
    def passes_terms(self) -> bool:
        return self.per != "position"

    def bound(self, x: Bounds) -> Bounds:
        return UNKNOWN if self.trainable else x.scaled(self.value)

    def changes_nothing(self, *xs: Shape) -> str:
        return "" if self.trainable or self.value != 1 else "it multiplies by one or adds zero"

    def weights(self, x: Shape) -> Weights:
        return {"factor": Weight(_extents(self, x), self.value)} if self.trainable else {}

    def elementwise(self, x: Shape) -> int:
        return x.elements

    def casting(self, *xs: Shape) -> Casting:
        return _cast_with_learned(self)

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved((0,) if self.trainable else ())

    def multiple(self, operands: int) -> float:
        return self.value

    def moments(self, x: Moments) -> Moments:
        return x.times(self.value, self.value**2, self.value**2, chance=x.chance if self.value else None)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (gradient.times(self.value**2),)


class Shift(Pointwise):
    """x + value; what is added is learned where `trainable` is true, one number, `per: channel`, or `per:
    position` (position embedding), which fixes the sizes."""

    family: ClassVar[Family] = "chance"
    gating: ClassVar[Gating] = "passes"
    main: ClassVar[str | None] = "value"
    passes_terms: ClassVar[bool] = True

    value: Number = Field(0.0, description="term, or its first value")
    trainable: Flag = Field(False, description="learns the term")
    per: Per = Field("value", description="learns one number, one for each channel, or for each at each position")

    def bound(self, x: Bounds) -> Bounds:
        return UNKNOWN if self.trainable else Bounds(x.low + self.value, x.high + self.value)

    def changes_nothing(self, *xs: Shape) -> str:
        return "" if self.trainable or self.value != 0 else "it multiplies by one or adds zero"

    def weights(self, x: Shape) -> Weights:
        return {"term": Weight(_extents(self, x), self.value)} if self.trainable else {}

    def casting(self, *xs: Shape) -> Casting:
        return _cast_with_learned(self)

    def elementwise(self, x: Shape) -> int:
        return x.elements

    def moments(self, x: Moments) -> Moments:
        return x.mixed().each(self._shift, hollow=False) if self.value else x

    def _shift(self, x: ChannelMoments) -> ChannelMoments:
        more = self.value * (2 * x.mean + self.value)
        return ChannelMoments(x.mean + self.value, x.second + more, x.common + more)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (gradient,)


def _cast_with_learned(op: Scale | Shift) -> Casting:
    """A single number does not make values wider; one for each channel does."""
    return "promoted" if op.trainable and op.per != "value" else "widest"


def _extents(op: Scale | Shift, x: Shape) -> tuple[int, ...]:
    return {"value": (), "channel": (x.channels,), "position": tuple(x)}[op.per]
