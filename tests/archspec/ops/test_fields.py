"""What fields of operations take, and how they refuse the rest."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from archspec.bounds import MAX_WHOLE
from archspec.ops.fields import MAX_REAL, Flag, NonNegative, Number, Padding, Positive, Probability, Ratio

TAKEN: list[tuple[Any, Any, Any]] = [
    (Positive, 2.0, 2),
    (Positive, MAX_WHOLE, MAX_WHOLE),
    (NonNegative, 0, 0),
    (Number, 3, 3.0),
    (Number, -MAX_REAL, -MAX_REAL),
    (Probability, 1, 1.0),
    (Ratio, 1, 1.0),
    (Flag, True, True),
    (Padding, "same", "same"),
    (Padding, 4.0, 4),
]
REFUSED: list[tuple[Any, Any, str]] = [
    (Positive, 0, "greater than or equal to 1"),
    (Positive, 2.5, "should be a whole number, found 2.5"),
    (Positive, True, "should be a whole number"),
    (Positive, "2", "should be a whole number"),
    (Positive, MAX_WHOLE + 1, "less than or equal to"),
    (NonNegative, -1, "greater than or equal to 0"),
    (Number, float("inf"), "finite"),
    (Number, float("nan"), "finite"),
    (Number, 1e39, "should be a number of at most 3.4e\\+38"),
    (Number, False, "should be a number"),
    (Probability, 1.01, "less than or equal to 1"),
    (Ratio, 0.5, "greater than or equal to 1"),
    (Flag, 1, "valid boolean"),
    (Padding, -1, "should be `same` or a whole number from 0, found -1"),
    (Padding, 1.5, "should be a whole number, found 1.5"),
    (Padding, "valid", "should be a whole number"),
]


@pytest.mark.parametrize(("type", "given", "expected"), TAKEN)
def test_is_taken_as(type: Any, given: Any, expected: Any) -> None:
    found = TypeAdapter(type).validate_python(given)
    assert found == expected
    assert found.__class__ is expected.__class__


@pytest.mark.parametrize(("type", "given", "message"), REFUSED)
def test_is_refused(type: Any, given: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(type).validate_python(given)
