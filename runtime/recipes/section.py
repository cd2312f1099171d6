"""What all sections of a recipe have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A mapping in a recipe: every key is known, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


Positive = Annotated[int, Field(gt=0, le=1 << 31)]
NonNegative = Annotated[int, Field(ge=0, le=1 << 31)]
Decimal = Annotated[float, Field(strict=False)]
Number = Annotated[float, Field(ge=0, strict=False)]
PositiveNumber = Annotated[float, Field(gt=0, strict=False)]
Share = Annotated[float, Field(ge=0, lt=1, strict=False)]
Part = Annotated[float, Field(ge=0, le=1, strict=False)]
