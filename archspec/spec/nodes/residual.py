"""The word of a body with a shortcut beside it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archspec.spec.body import Body
from archspec.spec.layers import SpecNode
from archspec.spec.values import Numeric

Scaling: TypeAlias = Literal["none", "sqrt_half", "skip_init", "stable", "fixup"]
Decay: TypeAlias = Literal["constant", "linear"]
Drop: TypeAlias = Literal["sample", "batch", "shake"]


class Residual(SpecNode):
    word = "residual"
    body: Body
    shortcut: Body | None = None
    project: Body | None = None
    scale: Numeric | None = None
    survival: Numeric | None = None
    scaling: Scaling = "none"
    decay: Decay = "constant"
    drop: Drop | None = None

    settings = ("scale", "survival", "scaling", "decay", "drop")

    @model_validator(mode="after")
    def _choose_one(self) -> Residual:
        if self.shortcut is not None and self.project is not None:
            raise PydanticCustomError(
                "bad-residual", "takes `shortcut` (always used) or `project` (where shapes differ), not both"
            )
        return self
