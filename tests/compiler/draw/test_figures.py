"""The figures of boxes: their sums are the whole, and what is said of first and last turns."""

from __future__ import annotations

import pytest

from archspec.api import analyze
from archspec.ops import Shape
from compiler.draw.figures import Figures
from tests.support.drawings import (
    NETS,
    leaves,
    picture_of,
)


@pytest.mark.parametrize("name", NETS)
def test_figures_of_boxes_add_up(name: str) -> None:
    picture = picture_of(name)
    cost = analyze(picture.graph, by_length=False).cost
    for boxes in (leaves(picture.whole), picture.whole.children, [picture.whole]):
        assert sum(picture.figures(box).macs for box in boxes) == cost.macs["conv-linear"]
        assert sum(picture.figures(box).parameters for box in boxes) == cost.parameters + cost.frozen


def test_a_box_tells_of_its_first_and_its_last_turn() -> None:
    """DenseNet's layers grow by 32 channels each (Huang et al., 2017)."""
    picture = picture_of("densenet121")
    found = next(picture.figures(block) for _, block in picture.whole.walk() if block.times == 24)
    assert found.last.channels - found.first.channels == 23 * 32
    assert found.shape == f"{found.first.channels} … {found.last}"


def test_what_there_is_none_of_is_not_told() -> None:
    assert Figures(Shape(4), Shape(4), 9_408, 118_013_952).counts == "9.41 k params · 118 M MACs"
    assert Figures(Shape(4), Shape(4), 0, 1_000).counts == "1.00 k MACs"
    assert Figures(Shape(4), Shape(4), 0, 0).counts == ""
