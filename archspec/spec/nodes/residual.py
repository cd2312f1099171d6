"""The word of a body with a shortcut beside it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from archspec.spec.body import Body
from archspec.spec.layers import WeightedNode
from archspec.spec.values import Numeric

Scaling: TypeAlias = Literal["none", "sqrt_half", "skip_init", "stable", "fixup"]
Decay: TypeAlias = Literal["constant", "linear"]
Drop: TypeAlias = Literal["sample", "batch", "shake"]


class Residual(WeightedNode):
    word = "residual"
    body: Body = Field(description="body whose result is added to the input")
    shortcut: Body | None = Field(None, description="body of the other way, always used")
    project: Body | None = Field(None, description="body of the other way, used where the shapes differ")
    scale: Numeric | None = Field(None, description="factor on the body's result")
    survival: Numeric | None = Field(None, description="probability with which the body is kept while training")
    scaling: Scaling = Field("none", description="how bodies are kept from adding up")
    decay: Decay = Field("constant", description="whether the survival falls linearly with the depth")
    drop: Drop | None = Field(
        None, description="what chance drops: the body of a sample or a batch, or it is weighted by chance (`shake`)"
    )

    settings = ("scale", "survival", "scaling", "decay", "drop")

    @model_validator(mode="after")
    def _choose_one(self) -> Residual:
        if self.shortcut is not None and self.project is not None:
            raise PydanticCustomError(
                "bad-residual", "takes `shortcut` (always used) or `project` (where shapes differ), not both"
            )
        return self
