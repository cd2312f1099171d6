"""Extremes are numpy's, on any of the images, and values that one scale cannot serve are found."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.errors import ArchspecError
from runtime.int8.ranges import MAX_UNEVENNESS, MeasuredRanges, Ranges, ValueExtremes

VALUES = np.random.default_rng(0).standard_normal((10, 5, 3))


def test_extremes_are_those_of_the_chosen_images() -> None:
    extremes = ValueExtremes(["x", "y"], {"x": [0, 2, 5]})
    for part in (slice(0, 4), slice(4, 10)):
        extremes.add({"x": VALUES[part], "y": VALUES[part] * 2}, "data")
    chosen = [1, 4, 9]
    found = extremes.join(chosen)
    assert found["x"] == (VALUES[chosen].min(), VALUES[chosen].max())
    assert found["y"] == (2 * VALUES[chosen].min(), 2 * VALUES[chosen].max())
    assert found != extremes.join(range(10))
    assert extremes.find_largest() == {"x": np.abs(VALUES).max(), "y": 2 * np.abs(VALUES).max()}
    assert extremes.pieces == {"x": [(part.min(), part.max()) for part in (VALUES[:, :2], VALUES[:, 2:])]}
    with pytest.raises(ArchspecError, match="on the calibration data odd the value 'x' holds infinite numbers or NaN"):
        extremes.add({"x": np.full((1, 5, 3), np.nan), "y": VALUES[:1]}, "odd")


@pytest.mark.parametrize(("ratio", "floats"), [(MAX_UNEVENNESS, []), (MAX_UNEVENNESS + 1, ["x"])])
def test_pieces_that_one_scale_cannot_serve_stay_float(ratio: int, floats: list[str]) -> None:
    ranges = Ranges({"x": (0.0, float(ratio)), "y": (0.0, 1.0)}, {})
    measured = MeasuredRanges(ranges, (), 10, {"x": [(0.0, 1.0), (0.0, float(ratio))]}, ())
    assert list(measured.find_floats()) == floats


def test_one_number_everywhere_stays_float() -> None:
    measured = MeasuredRanges(Ranges({"x": (2.0, 2.0)}, {}), (), 10, {}, ())
    assert measured.find_floats() == {"x": "is 2 everywhere on the calibration data"}
