"""The sections of a recipe that speak of what is learned: losses, their weights, mixed images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runtime.recipes.section import Number, PositiveNumber, Section, Share


class LossSection(Section):
    """The loss of each output, and how those of several add up.

    `name` None is the task's own: cross-entropy for labels and maps, mean squared error for joints. `class_weights`
    None is the task's own too; `balanced` weighs a class by 1/√(its share of what is asked), as decision 0010 has it.
    `outputs` None halves the weight from one resolution to the next coarser one and is equal among outputs of one
    resolution (nnU-Net); weights by name are taken as they are.
    """

    name: Literal["cross_entropy", "dice", "dice_cross_entropy", "focal", "mse"] | None = None
    label_smoothing: Share = 0.0
    class_weights: Literal["none", "balanced"] | list[PositiveNumber] | None = None
    gamma: Number = 2.0
    outputs: Literal["equal", "halving"] | dict[str, Number] | None = None


class MixSection(Section):
    """Two images in one: `mixup` and `cutmix` are the alpha of their Beta distributions (0: off); where both are on,
    one of them is chosen for each step. For labels alone."""

    mixup: Annotated[float, Field(ge=0, strict=False)] = 0.0
    cutmix: Annotated[float, Field(ge=0, strict=False)] = 0.0
