"""The pictures of the zoo: well-formed, whole, and drawn without overlaps; and the drawing of single nodes."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from archspec.spec.load import load
from compiler.draw.theme import LETTER
from compiler.draw.written.figures import Figure, beside, box, fan, stack
from compiler.draw.written.labels import Subject
from compiler.draw.written.pictures import draw_subjects
from docs.zoo_page import PICTURES, picture_files

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


def draw(body: str, tmp_path: Path, head: str = "") -> list[str]:
    """The labels of a network's picture, in their order."""
    file = tmp_path / "net.yaml"
    file.write_text(f"archspec: 1\n{head}\ninputs: {{x: [16, 32, 32]}}\nnetwork: {body}\n", encoding="utf-8")
    picture = ElementTree.fromstring(draw_subjects([Subject(load(file))], "a picture"))
    return [text for text, _ in texts_in(picture)]


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


def test_labels_are_the_words_of_the_spec(tmp_path: Path) -> None:
    body = "[conv: {out: 2 * width, stride: step}, norm, relu, max_pool: 2, scale: 0.5, linear: width]"
    labels = draw(body.replace(", linear: width", ""), tmp_path, "params: {width: 8, step: 2}")
    assert labels == ["net", "conv 3×3, 2 * width, /step", "norm", "relu", "max_pool 2×2", "× 0.5"]


def test_defaults_are_told(tmp_path: Path) -> None:
    head = "defaults: {conv: {kernel: 5, groups: 2}, norm: {kind: group, groups: 4}}"
    assert draw("[conv: 8, norm]", tmp_path, head) == ["net", "conv 5×5, 8, groups = 2", "norm (group)"]
    assert draw("[conv: 8, norm]", tmp_path, "defaults: {norm: {kind: none}}") == ["net", "conv 3×3, 8"]


@pytest.mark.parametrize(("deep", "label"), [(True, "relu"), (False, "gelu")])
def test_what_the_params_decide_is_decided(deep: bool, label: str, tmp_path: Path) -> None:
    body = "[when: {test: deep, then: [relu], else: [gelu]}]"
    assert draw(body, tmp_path, f"params: {{deep: {str(deep).lower()}}}") == ["net", label]


def test_loops_say_how_often_they_run(tmp_path: Path) -> None:
    assert draw("[repeat: {n: 2 * 3, body: [relu]}]", tmp_path) == ["net", "× (2 * 3)", "relu"]
    assert draw("[repeat: {n: 0, body: [relu]}, gelu]", tmp_path) == ["net", "gelu"]
    body = "[repeat: {each: {width: [4, 8]}, as: k, body: [when: {test: k > 0, then: [relu]}, conv: width]}]"
    assert set(draw(body, tmp_path)) == {"net", "relu", "if k > 0", "conv 3×3, width", "× for each", "width: [4, 8]"}


def test_levels_are_drawn_one_by_one(tmp_path: Path) -> None:
    body = "[encoder_decoder: {each: {w: [4, 8]}, encoder: [conv: w], down: [max_pool: 2], up: [upsample: 2]}]"
    labels = draw(body, tmp_path)
    assert labels.count("conv 3×3, w") == labels.count("max_pool 2×2") == labels.count("upsample ×2") == 2
    assert {"w = 4", "w = 8"} <= set(labels)


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ("scale: 0.5", {"× 0.5"}),
        ("scaling: skip_init", {"× learned, from 0"}),
        ("scaling: sqrt_half", {"× 1/√2"}),
        ("survival: 0.5, decay: linear", {"stochastic_depth 0.5, linear decay"}),
        ("survival: 0.5, drop: shake", {"shake_drop 0.5"}),
    ],
)
def test_factors_of_a_residual_are_told(fields: str, labels: set[str], tmp_path: Path) -> None:
    assert set(draw(f"[residual: {{body: [conv: 16], {fields}}}]", tmp_path)) == {"net", "conv 3×3, 16", *labels}


def test_a_sequence_keeps_one_axis() -> None:
    narrow, wide = box(["a"], "call"), box(["a much wider one"], "call")
    whole = stack([narrow, wide, narrow])
    centres = [part.x + part.width / 2 for part in whole.parts if hasattr(part, "lines")]
    assert centres == [whole.entry] * 3
    tops = [part.y for part in whole.parts if hasattr(part, "lines")]
    assert all(one < other for one, other in pairwise(tops))


def test_ways_stand_side_by_side() -> None:
    one = box(["way"], "call")
    for figure in (fan([one, one, one], "add"), beside(one, one, "mul")):
        boxes = [(p.x, p.y, p.x + p.width, p.y + p.height) for p in figure.parts if hasattr(p, "height")]
        assert not any(overlap(*pair) for pair in combinations(boxes, 2))
        assert max(box[2] for box in boxes) <= figure.width
    assert stack([Figure(), one, Figure()]).parts == one.parts


def test_flipping_twice_changes_nothing() -> None:
    figure = stack([box(["one"], "call"), beside(box(["two"], "call"), Figure(), "add")])
    assert figure.flipped().flipped() == figure
    assert figure.flipped() != figure
