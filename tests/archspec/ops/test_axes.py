"""Axes by their numbers."""

from __future__ import annotations

import pytest

from archspec.ops import OpError, Shape
from archspec.ops.axes import find_axis, name_places, resolve_axis


@pytest.mark.parametrize(("axis", "found"), [(0, 0), (2, 2), (-1, 2), (-3, 0)])
def test_axes_count_from_either_end(axis: int, found: int) -> None:
    assert find_axis(axis, Shape(4, 5, 6), "slice") == resolve_axis(axis, Shape(4, 5, 6)) == found


@pytest.mark.parametrize("axis", [3, -4])
def test_an_axis_that_is_not_there_is_refused(axis: int) -> None:
    with pytest.raises(OpError, match=f"slice along axis {axis}: 4×5×6 has the axes 0"):
        find_axis(axis, Shape(4, 5, 6), "slice")
    assert resolve_axis(axis, Shape(4, 5, 6)) == axis


def test_places_are_named_by_their_axis() -> None:
    assert name_places(0, Shape(4, 5)) == "the 4 channels of 4×5"
    assert name_places(1, Shape(4, 5)) == "the 5 positions along axis 1 of 4×5"
