"""Something is left of inputs that a file rounds to integers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec.api import verify_model
from runtime.verification.model.input_ranges import InputRange
from tests.support.verification import make_node, row, save

EIGHT = [make_node("QuantizeLinear", ["x", "s", "z"], ["q"]), make_node("DequantizeLinear", ["q", "s", "z"], ["y"])]


@pytest.mark.parametrize(
    ("scale", "zero", "status", "told"),
    [
        (0.02, np.uint8(128), "passed", "x -2.56 to 2.54 in steps of 0.02"),
        (0.02, np.int8(0), "passed", "x -2.56 to 2.54 in steps of 0.02"),
        (0.0, np.uint8(0), "failed", "x is rounded to a single number, 0"),
        (2.0**-60, np.uint8(0), "failed", "x is rounded to a single number, 0"),
        (1e-9, np.uint8(0), "noted", "not the range of normalized inputs"),
        (1.0, np.uint8(0), "noted", "x 0 to 255 in steps of 1"),
        (1e28, np.uint8(0), "noted", "not the range of normalized inputs"),
    ],
)
def test_something_is_left_of_inputs_that_are_rounded(
    scale: float, zero: Any, status: str, told: str, tmp_path: Path
) -> None:
    weights = {"s": np.array(scale, np.float32), "z": np.array(zero)}
    found = verify_model(save(tmp_path, EIGHT, {"x": ["N", 40]}, {"y": ["N", 40]}, weights))
    ranges = row(found, "ranges")
    assert (ranges.status, found.passed) == (status, status != "failed")
    assert told in ranges.text


def test_numbers_are_made_over_the_range_where_hardly_any_fall_into_it() -> None:
    normal = np.random.default_rng(1).standard_normal(1000).astype(np.float32)
    usual, wide = InputRange(-2.56, 2.54, 0.02), InputRange(0, 255, 1)
    assert usual.shows(normal)
    assert usual.fill(normal) is normal
    assert not wide.shows(normal)
    made = wide.fill(normal)
    assert (made.shape, made.dtype, made.min(), made.max()) == (normal.shape, normal.dtype, 0, 255)
    assert (usual.cut(5 * normal).min(), usual.cut(5 * normal).max()) == (np.float32(-2.56), np.float32(2.54))
    assert InputRange(0, 0, 0).empty
    assert not wide.empty
