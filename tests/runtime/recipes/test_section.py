"""Sections of recipes are checked when they are made, and take no other types."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import Field, ValidationError

from archspec.errors import InputError
from runtime.recipes.section import Count, Magnitude, Natural, OpenPart, Part, RecipeSection, StepsOrPart, told


class Example(RecipeSection):
    """A section with a field of each type."""

    count: Count = 1
    natural: Natural = 0
    magnitude: Magnitude = 0.0
    part: Part = 0.0
    open_part: OpenPart = 0.0
    steps: StepsOrPart = 0.0
    word: Annotated[Annotated[str, Field(pattern="^a")] | None, told("a word with an a")] = None


@pytest.mark.parametrize(
    "given",
    [
        {"count": 1.0}, {"count": "1"}, {"count": True}, {"count": 2**31}, {"natural": -1}, {"natural": np.int64(1)},
        {"magnitude": "0.1"}, {"magnitude": False}, {"magnitude": float("inf")}, {"magnitude": float("nan")},
        {"part": 1.01}, {"open_part": 1}, {"steps": 1.0}, {"steps": -0.1}, {"steps": True}, {"word": "b"}, {"word": 1},
    ],
)  # fmt: skip
def test_other_types_and_values_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"`{next(iter(given))}` of Example"):
        Example(**given)
    with pytest.raises(ValidationError):
        Example.model_validate(given)


@pytest.mark.parametrize(
    "given",
    [{"count": 2**31 - 1}, {"magnitude": 1}, {"magnitude": np.float64(0.5)}, {"part": 1}, {"open_part": 0},
     {"steps": 1}, {"steps": 0.999}, {"steps": 0}, {"word": "ab"}, {"word": None}],
)  # fmt: skip
def test_what_fits_is_taken(given: dict[str, Any]) -> None:
    ((name, value),) = given.items()
    assert getattr(Example(**given), name) == value
