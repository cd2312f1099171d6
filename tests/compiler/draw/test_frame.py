"""The file around a drawing and the parts in it: well-formed, whole, and the same wherever they are moved."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from compiler.draw.frame import (
    MARGIN,
    Box,
    Caption,
    MergeSign,
    Polyline,
    Primitive,
    shift,
    write_drawing,
    write_frame,
    write_text,
)

SVG = "{http://www.w3.org/2000/svg}"
PARTS: tuple[Primitive, ...] = (
    Box(0, 0, 60, 26, ("conv", "more"), "call"),
    Polyline(((30, 26), (30, 60)), kind="choice"),
    MergeSign(30, 69, "add"),
    Caption(45, 69, ("a < b", "& more"), "middle", "title"),
)


def test_a_drawing_says_what_it_is_and_needs_nothing_else() -> None:
    text = write_drawing((100, 80), PARTS, "a <title>", "what & how")
    root = ElementTree.fromstring(text)
    assert (root.findtext(f"{SVG}title"), root.findtext(f"{SVG}desc")) == ("a <title>", "what & how")
    assert root.get("viewBox") == f"0 0 {100 + 2 * MARGIN} {80 + 2 * MARGIN}"
    assert "prefers-color-scheme: dark" in text
    assert [element.text for element in root.iter(f"{SVG}text")] == ["a < b", "& more", "conv", "more"]


def test_lines_lie_below_boxes_and_marks() -> None:
    """Whatever the order in which they are given."""
    texts = {write_drawing((100, 80), parts, "t", "d") for parts in (PARTS, (PARTS[1], PARTS[0], *PARTS[2:]))}
    assert len(texts) == 1
    (text,) = texts
    assert text.index('class="line choice"') < text.index('class="box call"') < text.index('class="mark"')


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_moving_there_and_back_changes_nothing(part: Primitive) -> None:
    (moved,) = shift([part], 3, -5)
    assert moved != part
    assert shift([moved], -3, 5) == (part,)


def test_a_box_that_is_turned_over_keeps_its_upper_edge() -> None:
    """Its place is that of its upper left corner, whichever way the figure flows."""
    box = Box(0, 10, 60, 26, ("conv",), "call")
    assert box.moved(lambda point: (point[0], 100 - point[1])) == Box(0, 64, 60, 26, ("conv",), "call")


def test_lines_of_text_are_centred_in_their_box() -> None:
    root = ElementTree.fromstring(f"<svg>{''.join(Box(10, 20, 60, 42, ('a', 'b'), 'norm').write())}</svg>")
    places = [(float(text.attrib["x"]), float(text.attrib["y"]) - 4) for text in root.iter("text")]
    assert [x for x, _ in places] == [40, 40]
    assert sum(y for _, y in places) / 2 == 20 + 42 / 2


def test_a_caller_s_rules_are_in_the_style() -> None:
    text = write_frame((10, 10), ["<g/>"], "t", "d", (".own { fill: red }\n", ".own { fill: blue }\n"))
    light, dark = text.split("@media")
    assert ".own { fill: red }" in light
    assert ".own { fill: blue }" in dark


def test_text_is_escaped() -> None:
    assert write_text(0, 0, "<script>") == '<text x="0" y="4">&lt;script&gt;</text>'
