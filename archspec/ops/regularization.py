"""Operations that scale or shift a value, by a constant, by what is learned, or by chance while training."""

from __future__ import annotations

from typing import ClassVar, Literal

from archspec.ops.base import Draw, Flag, Number, Pointwise, Probability, Shape, Weight, Weights


class Scale(Pointwise):
    """value · x; the factor is learned where `trainable` is true (SkipInit starts it at zero), one number or
    `per: channel` (layer scale)."""

    main: ClassVar[str | None] = "value"

    value: Number = 1.0
    trainable: Flag = False
    per: Literal["value", "channel"] = "value"

    def weights(self, x: Shape) -> Weights:
        return {"factor": Weight(_extents(self, x), self.value)} if self.trainable else {}


class Shift(Pointwise):
    """x + value; what is added is learned where `trainable` is true, one number or `per: channel`."""

    main: ClassVar[str | None] = "value"

    value: Number = 0.0
    trainable: Flag = False
    per: Literal["value", "channel"] = "value"

    def weights(self, x: Shape) -> Weights:
        return {"term": Weight(_extents(self, x), self.value)} if self.trainable else {}


class Dropout(Pointwise):
    """While training, sets each element to zero with probability `rate` and divides the others by 1 - rate."""

    main: ClassVar[str | None] = "rate"

    rate: Probability = 0.5


class StochasticDepth(Pointwise):
    """While training, keeps a value with probability `survival` and sets it to zero otherwise; at inference multiplies
    it by `survival`, the expected value (Huang et al., 2016).

    Chance decides for each sample, or once for the batch (`draw: batch`), as the paper has it. With `rescale`, training
    divides what it keeps by `survival` instead, and inference changes nothing.
    """

    main: ClassVar[str | None] = "survival"

    survival: Probability = 0.8
    draw: Draw = "sample"
    rescale: Flag = False

    @property
    def expected(self) -> float:
        """What it multiplies by at inference."""
        return 1.0 if self.rescale else self.survival


class ShakeDrop(Pointwise):
    """While training, multiplies by b + α - b α forward and by b + β - b β backward, with b = 1 at probability
    `survival` and 0 otherwise, α uniform in [-1, 1] and β in [0, 1], drawn apart; at inference by `survival`, the
    expected forward factor (Yamada et al., 2019)."""

    main: ClassVar[str | None] = "survival"

    survival: Probability = 0.5
    draw: Draw = "sample"


def _extents(op: Scale | Shift, x: Shape) -> tuple[int, ...]:
    return (x.channels,) if op.per == "channel" else ()
