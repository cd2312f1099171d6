"""The pictures of the zoo: well-formed, whole, and drawn without overlaps; and the drawing of single nodes."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

from compiler.draw.theme import LETTER
from docs.zoo_page import PICTURES, picture_files
from tests.support.drawings import draw_body

SVG = "{http://www.w3.org/2000/svg}"
Box = tuple[float, float, float, float]

FILES = sorted(picture_files())


def read(path: Path) -> ElementTree.Element:
    return ElementTree.fromstring(path.read_text(encoding="utf-8"))


def number(element: ElementTree.Element, name: str) -> float:
    return float(element.attrib.get(name, "0"))


def boxes_in(picture: ElementTree.Element) -> list[Box]:
    """Left, top, right and bottom of every box."""
    rects = [rect for rect in picture.iter(f"{SVG}rect") if "box" in rect.attrib["class"]]
    edges = [tuple(number(rect, name) for name in ("x", "y", "width", "height")) for rect in rects]
    return [(x, y, x + width, y + height) for x, y, width, height in edges]


def overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def texts_in(picture: ElementTree.Element) -> list[tuple[str, Box]]:
    """Every text with the room that it takes."""
    found = []
    for text in picture.iter(f"{SVG}text"):
        width = len(text.text or "") * LETTER
        shift = {"middle": width / 2, "end": width}.get(text.attrib.get("text-anchor", ""), 0)
        x, y = number(text, "x") - shift, number(text, "y")
        found.append((text.text or "", (x, y - 10, x + width, y + 2)))
    return found


def test_each_family_has_one_picture() -> None:
    assert sorted(PICTURES.glob("*")) == FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_picture_says_what_it_is_and_needs_nothing_else(path: Path) -> None:
    picture = read(path)
    title, desc = picture.find(f"{SVG}title"), picture.find(f"{SVG}desc")
    assert title is not None
    assert title.text
    assert desc is not None
    assert desc.text
    text = path.read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in text
    assert re.findall(r"href|@import|url\((?!#)|<script|<image", text) == []
    assert set(re.findall(r"\bhttps?:[^\"]*", text)) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nothing_overlaps_or_is_cut(path: Path) -> None:
    picture = read(path)
    boxes, texts = boxes_in(picture), texts_in(picture)
    assert [pair for pair in combinations(boxes, 2) if overlap(*pair)] == []
    assert [pair for pair in combinations(texts, 2) if overlap(pair[0][1], pair[1][1])] == []
    for text, (x, y, right, bottom) in texts:
        assert 0 <= x < right <= number(picture, "width"), text
        assert 0 <= y < bottom <= number(picture, "height"), text
        around = [box for box in boxes if overlap(box, (x, y, right, bottom))]
        assert all(box[0] <= x and right <= box[2] for box in around), text


def test_overlapping_boxes_are_seen() -> None:
    """The control of the test above."""
    assert overlap((0, 0, 10, 10), (9, 9, 20, 20))
    assert not overlap((0, 0, 10, 10), (10, 0, 20, 10))


@pytest.mark.parametrize(("deep", "label"), [(True, "relu"), (False, "gelu")])
def test_what_the_params_decide_is_decided(deep: bool, label: str, tmp_path: Path) -> None:
    body = "[when: {test: deep, then: [relu], else: [gelu]}]"
    assert draw_body(body, tmp_path, f"params: {{deep: {str(deep).lower()}}}") == ["net", label]
