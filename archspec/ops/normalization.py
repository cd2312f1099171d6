"""Operations that set the mean and variance of a value."""

from __future__ import annotations

from typing import ClassVar, Literal

from archspec.ops.base import (
    Epsilon,
    Flag,
    Gain,
    Number,
    OpError,
    Pointwise,
    Positive,
    Probability,
    Ratio,
    Shape,
    Weight,
    Weights,
)


class Normalization(Pointwise):
    """Sets mean and variance, then scales and shifts each channel where `affine` is true; scales start at `start`."""

    affine: Flag = True
    start: Number = 1.0
    eps: Epsilon = 1e-5

    def weights(self, x: Shape) -> Weights:
        if not self.affine:
            return {}
        return {"weight": Weight((x.channels,), self.start), "bias": Weight((x.channels,), 0.0)}


class BatchNorm(Normalization):
    """Normalizes each channel over the batch and all positions; at inference with the running mean and variance."""

    momentum: Probability = 0.1

    def weights(self, x: Shape) -> Weights:
        statistics = {"running_mean": 0.0, "running_var": 1.0}
        running = {
            name: Weight((x.channels,), start, trainable=False, buffer=True) for name, start in statistics.items()
        }
        return super().weights(x) | running


class GhostBatchNorm(BatchNorm):
    """Batch normalization that trains with the mean and variance of each part of `size` samples of the batch by itself
    (Hoffer et al., 2017); at inference it is batch normalization."""

    main: ClassVar[str | None] = "size"

    size: Positive = 32


class BatchRenorm(BatchNorm):
    """Batch normalization that trains towards its running mean μ and deviation σ (Ioffe, 2017).

    (x - μ_B) / σ_B · r + d, with r = σ_B / σ kept within [1/r_max, r_max] and d = (μ_B - μ) / σ within ±d_max, both
    without gradient; r_max = 1 and d_max = 0 are batch normalization. At inference it is batch normalization.
    """

    momentum: Probability = 0.01
    r_max: Ratio = 3.0
    d_max: Gain = 5.0


class LayerNorm(Normalization):
    """Normalizes each sample by itself: over channels and positions, or (`over: channels`) at each position."""

    over: Literal["sample", "channels"] = "sample"


class GroupNorm(Normalization):
    """Normalizes each sample over the positions and channels of one of `groups` groups of channels."""

    main: ClassVar[str | None] = "groups"

    groups: Positive = 32

    def infer(self, x: Shape) -> Shape:
        fits = x.channels % self.groups == 0
        if not fits:
            raise OpError(f"groups: {self.groups} does not divide the {x.channels} channels", "groups")
        return x


class InstanceNorm(Normalization):
    """Normalizes each channel of each sample over its positions."""

    affine: Flag = False

    def infer(self, x: Shape) -> Shape:
        if x.rank < 1:
            raise OpError(f"instance_norm needs spatial axes, found the vector {x}")
        return x
