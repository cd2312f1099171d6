"""Sizes by name and by place, alone and together, against what a model accepts."""

from __future__ import annotations

import pytest

from archspec.errors import InputError
from compiler.onnx_file.accepted import AcceptedSize
from runtime.session.sizes import check_size, check_together, name_sizes

INPUTS = {"x": ("N", 3, "h", "x.3"), "z": ("h",)}
RULES = {"H": AcceptedSize(224, 188, 16, 252, {"W": 7}), "W": AcceptedSize(7, 1, 1, None, {"H": 224})}


def test_a_place_stands_for_the_name_of_its_axis() -> None:
    assert name_sizes({"x.2": 8, "x.3": 9}, INPUTS) == {"h": 8, "x.3": 9}
    assert name_sizes({"z.0": 8, "h": 8}, INPUTS) == {"h": 8}
    assert name_sizes({"x.1": 3, "other": 1}, INPUTS) == {"x.1": 3, "other": 1}  # for others to judge
    with pytest.raises(InputError, match=r"the size h is given as 8 and, as 'x\.2', as 9"):
        name_sizes({"h": 8, "x.2": 9}, INPUTS)


@pytest.mark.parametrize("extent", [188, 204, 224, 252])
def test_a_size_of_the_rule_is_taken(extent: int) -> None:
    """From 188 on in steps of 16 up to 252; and the size that the model was written for."""
    check_size("it", "H", extent, RULES)


@pytest.mark.parametrize("extent", [172, 190, 268])
def test_another_size_is_refused_where_there_is_a_rule(extent: int) -> None:
    with pytest.raises(InputError, match=r"^it; the model takes 188, 204, 220"):
        check_size("it", "H", extent, RULES)
    check_size("it", "unknown", extent, RULES)


def test_sizes_that_depend_on_each_other_move_one_at_a_time() -> None:
    for extents in ({"H": 204, "W": 7}, {"H": 224, "W": 3}, {"H": 204}, {}):
        check_together(extents, RULES)
    with pytest.raises(InputError, match="the model takes them where"):
        check_together({"H": 204, "W": 3}, RULES)
