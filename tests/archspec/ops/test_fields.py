"""What fields of operations take, and how they refuse the rest."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from archspec.bounds import MAX_WHOLE
from archspec.ops import OpError, Shape
from archspec.ops.fields import (
    MAX_REAL,
    Flag,
    NonNegative,
    NonNegativePerAxis,
    Number,
    PaddingPerAxis,
    Positive,
    PositivePerAxis,
    Probability,
    Ratio,
    along,
    at_axis,
    one_or_each,
)

TAKEN: list[tuple[Any, Any, Any]] = [
    (Positive, 2.0, 2),
    (Positive, MAX_WHOLE, MAX_WHOLE),
    (NonNegative, 0, 0),
    (Number, 3, 3.0),
    (Number, -MAX_REAL, -MAX_REAL),
    (Probability, 1, 1.0),
    (Ratio, 1, 1.0),
    (Flag, True, True),
    (PositivePerAxis, 2.0, 2),
    (PositivePerAxis, [3, 7.0], (3, 7)),
    (NonNegativePerAxis, (0, 1, 2), (0, 1, 2)),
    (PaddingPerAxis, "causal", "causal"),
    (PaddingPerAxis, ["same", 2], ("same", 2)),
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
    (PositivePerAxis, 0, "greater than or equal to 1"),
    (PositivePerAxis, MAX_WHOLE + 1, "less than or equal to"),
    (PositivePerAxis, [3, 0], "should be a list of whole numbers from 1, found \\[3, 0\\]"),
    (PositivePerAxis, [[3, 3]], "should be a list of whole numbers from 1"),
    (PositivePerAxis, [], "an entry for each of one to 3 spatial axes, found \\[\\]"),
    (NonNegativePerAxis, [0] * 5, "one to 3 spatial axes, found \\[0, 0, 0, 0, …\\]"),
    (NonNegativePerAxis, [0, True], "should be a list of whole numbers from 0"),
    (PaddingPerAxis, "valid", "should be `same`, `same_end`, `causal` or a whole number from 0"),
    (PaddingPerAxis, ["same", -1], "should be a list of `same`, `same_end`, `causal` or whole numbers from 0"),
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


def test_a_value_spreads_over_the_spatial_axes() -> None:
    image = Shape(3, 8, 9)
    assert along(3, image, "kernel") == (3, 3)
    assert along((3, 5), image, "kernel") == (3, 5)
    assert (at_axis(3, 1), at_axis((3, 5), 1)) == (3, 5)
    assert (one_or_each([3, 3]), one_or_each(iter([3, 5]))) == (3, (3, 5))
    with pytest.raises(
        OpError, match=r"kernel: \[1, 2, 3\] has 3 entries, and 3×8×9 has 2 spatial axes; give"
    ) as found:
        along((1, 2, 3), image, "kernel")
    assert found.value.field == "kernel"
