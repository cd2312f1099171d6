"""The sections of a recipe that speak of what is learned: losses, their weights, mixed images."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from runtime.recipes.section import MAX_ENTRIES, Magnitude, OpenPart, PositiveDecimal, RecipeSection, refuse, told

FOCAL_POWER = 2.0
"""The power of the focal loss in its paper (Lin et al., 2017)."""

ClassWeights: TypeAlias = Annotated[list[PositiveDecimal], Field(min_length=1, max_length=MAX_ENTRIES)]
OutputWeights: TypeAlias = Annotated[dict[str, Magnitude], Field(min_length=1, max_length=MAX_ENTRIES)]


class LossSection(RecipeSection):
    """The loss of each output, and how those of several add up."""

    name: Literal["cross_entropy", "dice", "dice_cross_entropy", "focal", "mse"] | None = Field(
        None, description="loss; null: the task's own, cross-entropy for labels and maps, mean squared error for joints"
    )
    label_smoothing: OpenPart = Field(
        0.0, description="share of the target that goes to all classes alike; for labels and maps"
    )
    class_weights: Annotated[
        Literal["none", "balanced"] | ClassWeights | None,
        told("`none`, `balanced`, a list with a positive number for each class, or null"),
    ] = Field(
        None,
        description="weights of classes; `balanced` is 1/√(share of what is asked); null: the task's own, "
        "`balanced` for the cross-entropy of maps, else `none`",
    )
    gamma: Magnitude = Field(FOCAL_POWER, description="power of the focal loss")
    outputs: Annotated[
        Literal["equal", "halving"] | OutputWeights | None,
        told("`equal`, `halving`, a number from 0 on for each output by its name, or null"),
    ] = Field(
        None,
        description="weights of several outputs; `halving` halves them from one resolution to the next coarser one; "
        "null: `halving` where resolutions differ",
    )

    @model_validator(mode="after")
    def _check_gamma(self) -> LossSection:
        if self.gamma != FOCAL_POWER and self.name != "focal":
            refuse([("gamma", "has `gamma`, which is the power of the focal loss: write `name: focal` too")])
        return self


class MixSection(RecipeSection):
    """Two images in one, for labels alone; where both are on, one of them is chosen for each step."""

    mixup: Magnitude = Field(0.0, description="alpha of mixup's Beta distribution; 0: off")
    cutmix: Magnitude = Field(0.0, description="alpha of CutMix's Beta distribution; 0: off")
