"""Doubts: when a number is called an estimate, and how far off such numbers are said to be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archspec.ops import Shape
from archspec.ops.signal.moments import standard, unit_gradient
from compiler.analysis.signal.doubts import (
    DEPTHS,
    DOUBTS,
    NARROW,
    UNEVEN,
    ErrorFactors,
    explain,
    find_doubts,
    how_far,
    name_depth,
    read_measured,
)

VALUE, GRADIENT = standard(Shape(8)), unit_gradient(Shape(8))


def test_what_follows_a_law_is_not_in_doubt() -> None:
    assert find_doubts(VALUE) == find_doubts(GRADIENT) == ()
    assert find_doubts(replace(VALUE, narrow=NARROW)) == ()


def test_narrow_layers_and_uneven_gradients_are_in_doubt() -> None:
    assert find_doubts(replace(VALUE, narrow=1.01 * NARROW)) == ("narrow",)
    assert find_doubts(replace(GRADIENT, edges=1.01 * UNEVEN)) == ("border",)
    assert find_doubts(replace(VALUE, doubts=frozenset({"shape", "few"}), narrow=1.0)) == ("few", "narrow", "shape")


@pytest.mark.parametrize(
    ("layers", "name"), [(0, "up to 10"), (10, "up to 10"), (11, "11 to 30"), (30, "11 to 30"), (31, "more than 30")]
)
def test_depths(layers: int, name: str) -> None:
    assert name_depth(layers) == name


def test_what_was_measured_is_told() -> None:
    rows = read_measured()["rows"]
    depths = {name_depth(layers) for layers in (DEPTHS[0], DEPTHS[1], DEPTHS[1] + 1)}
    for key, row in rows.items():
        doubt, of, depth = key.split(", ")
        assert doubt == "law" or doubt in DOUBTS
        assert depth in depths
        assert how_far(None if doubt == "law" else doubt, of, depth) == ErrorFactors(**row)
        assert 1 <= row["half"] <= row["most"] <= row["worst"]
    assert how_far(None, "values", "up to 3") is None


def test_a_line_for_each_doubt() -> None:
    lines = [*explain({"values": ["shape"], "gradients": ["few", "shape"]}, 5)]
    assert [line.partition(":")[0] for line in lines] == ["few", "shape"]
    assert "values" not in lines[0].partition("; ")[2]
    assert f"values {how_far('shape', 'values', 'up to 10')}; gradients" in lines[1]
    assert str(ErrorFactors(1, 1.0, 1.5, 84_213.0)) == "within a factor of 1.5 in 90 %, 8e+04 at worst, of 1 number"
