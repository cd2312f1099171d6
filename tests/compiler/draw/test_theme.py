"""Lines, lengths and colours that all drawings share."""

from __future__ import annotations

import re

import pytest

from archspec.ops import Add, Input, Op, Relu
from compiler.draw.theme import (
    COLOURS,
    CORNER,
    LEGEND,
    LETTER,
    RADIUS,
    draw_sign,
    kind_of,
    px,
    round_corners,
    spread,
    style_sheet,
    text_width,
)


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (-0.04, "0"), (2.25, "2.2"), (999.96, "1000"), (1234.5, "1234"), (1e6, "1000000")]
)
def test_lengths_have_at_most_one_decimal_place(value: float, text: str) -> None:
    assert px(value) == text


def test_a_line_turns_within_its_corners() -> None:
    assert round_corners([(0, 0), (0, 0), (40, 0)]) == "M0,0 L40,0"
    path = round_corners([(0, 0), (40, 0), (40, 40)])
    assert path == f"M0,0 L{40 - CORNER},0 Q40,0 40,{CORNER} L40,40"
    numbers = [float(number) for number in re.findall(r"[\d.]+", round_corners([(0, 0), (4, 0), (4, 40)]))]
    assert max(numbers) == 40, "a corner takes no more than half of a short line"
    assert round_corners([(0, 0), (4, 0), (4, 40)]).startswith("M0,0 L2,0 Q4,0 4,2 ")


@pytest.mark.parametrize("times", [1, 2, 3, 8, 100])
def test_lines_of_one_value_lie_apart_and_within_a_merge(times: int) -> None:
    places = spread(times)
    assert len({*places}) == times
    assert sum(places) == pytest.approx(0)
    assert max(map(abs, places)) < RADIUS


@pytest.mark.parametrize(("text", "letters"), [("", 0), ("conv", 4), ("層", 2), ("aＷ", 3)])
def test_east_asian_letters_are_twice_as_wide(text: str, letters: int) -> None:
    assert text_width(text) == letters * LETTER


@pytest.mark.parametrize(("op", "kind"), [(Relu(), "activation"), (Add(), "merge"), (Input(dims=(3,)), "label")])
def test_operations_have_the_colour_of_their_family(op: Op, kind: str) -> None:
    assert kind_of(op) == kind


def test_every_colour_has_its_words_and_a_rule_for_each_ground() -> None:
    assert COLOURS.keys() == LEGEND.keys()
    light, dark = style_sheet().split("@media (prefers-color-scheme: dark)")
    for kind, (on_light, on_dark) in COLOURS.items():
        assert f".{kind} {{ fill: {on_light} }}" in light
        assert f".{kind} {{ fill: {on_dark} }}" in dark


@pytest.mark.parametrize(
    ("symbol", "paths"),
    [
        ("add", 2),
        ("mul", 2),
        ("concat", 2),
        ("shake", 1),
        ("sub", 1),
        ("div", 1),
        ("max", 2),
        ("min", 2),
        ("median", 0),
    ],
)
def test_signs_lie_within_their_circle(symbol: str, paths: int) -> None:
    found = draw_sign(100, 100, symbol)
    assert len(found) == paths
    for path in found if symbol != "shake" else ():
        assert all(abs(float(number) - 100) < RADIUS for number in re.findall(r"[\d.]+", path))
