"""Operations that set the mean and variance of a value."""

from __future__ import annotations

from typing import ClassVar, Literal

from archspec.ops.base import (
    Epsilon,
    Flag,
    OpError,
    Pointwise,
    Positive,
    Probability,
    Shape,
    Weight,
    Weights,
)


class Normalization(Pointwise):
    """Sets mean and variance, then scales and shifts each channel where `affine` is true."""

    affine: Flag = True
    eps: Epsilon = 1e-5

    def weights(self, x: Shape) -> Weights:
        if not self.affine:
            return {}
        return {"weight": Weight((x.channels,), 1.0), "bias": Weight((x.channels,), 0.0)}


class BatchNorm(Normalization):
    """Normalizes each channel over the batch and all positions; at inference with the running mean and variance."""

    momentum: Probability = 0.1

    def weights(self, x: Shape) -> Weights:
        statistics = {"running_mean": 0.0, "running_var": 1.0}
        running = {
            name: Weight((x.channels,), start, trainable=False, buffer=True) for name, start in statistics.items()
        }
        return super().weights(x) | running


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
