"""What a search varies: the values of a param, of an entry of a list, of a whole list in proportion."""

from __future__ import annotations

import pytest

from archspec.errors import ArchspecError
from compiler.analysis.compare.variation import parse_variation


def test_fractions_are_varied_in_steps() -> None:
    variation = parse_variation("widen=0.5..2:0.25", {"widen": 1.0})
    assert [variation.value(position) for position in range(variation.count)] == [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]


PARAMS = {"width": 10, "drop": True, "depths": [1, 2], "none": [], "zero": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("widht", "did you mean 'width'"),
        ("width=5", "what is varied is PARAM"),
        ("width=9..5", "has no values"),
        ("width:0", "has no values"),
        ("width=1..99999999999", "what is varied is PARAM"),
        ("width[0]", "width is no list"),
        ("depths[2]", "depths is a list of 2"),
        ("drop", "only positive numbers"),
        ("none", "only positive numbers"),
        ("zero", "only positive numbers"),
        ("x" * 500, "there is width, drop"),
    ],
)
def test_what_cannot_be_varied_is_said(text: str, message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        parse_variation(text, PARAMS)
