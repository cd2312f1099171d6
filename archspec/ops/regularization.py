"""Operations that scale a value, by a constant or by chance while training."""

from __future__ import annotations

from typing import ClassVar

from archspec.ops.base import Flag, Number, Pointwise, Probability, Shape, Weight, Weights


class Scale(Pointwise):
    """value · x; the factor is one learned number where `trainable` is true (SkipInit starts it at zero)."""

    main: ClassVar[str | None] = "value"

    value: Number = 1.0
    trainable: Flag = False

    def weights(self, x: Shape) -> Weights:
        return {"factor": Weight((), self.value)} if self.trainable else {}


class Dropout(Pointwise):
    """While training, sets each element to zero with probability `rate` and divides the others by 1 - rate."""

    main: ClassVar[str | None] = "rate"

    rate: Probability = 0.5


class StochasticDepth(Pointwise):
    """While training, keeps a whole sample with probability `survival` and drops it otherwise; at inference
    multiplies by `survival`, the expected value (Huang et al., 2016)."""

    main: ClassVar[str | None] = "survival"

    survival: Probability = 0.8
