"""The drawing: nothing overlaps, it says what it is, and needs nothing else."""

from __future__ import annotations

from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest

from archspec.spec.zoo import zoo_specs
from compiler.draw.picture import draw_graph
from compiler.draw.svg import write_svg
from compiler.graph import Graph
from tests.support.drawings import (
    EVERYTHING,
    NETS,
    chain,
    graphs,
    picture_of,
)

SVG = "{http://www.w3.org/2000/svg}"

Rect = tuple[float, float, float, float]


def rects_in(root: ElementTree.Element, kinds: set[str]) -> list[Rect]:
    rects = []
    for rect in root.iter(f"{SVG}rect"):
        if kinds & set(rect.attrib["class"].split()) and float(rect.attrib["y"]) > 60:
            x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
            rects.append((x, y, x + width, y + height))
    return rects


def points_of(path: str) -> list[tuple[float, float]]:
    words = path.replace("M", " ").replace("L", " ").replace("Q", " ").split()
    return [(float(x), float(y)) for x, y in (word.split(",") for word in words)]


def crosses(rect: Rect, one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether an upright or level line has a point well inside a box."""
    left, top, right, bottom = rect[0] + 2, rect[1] + 2, rect[2] - 2, rect[3] - 2
    xs, ys = sorted((one[0], other[0])), sorted((one[1], other[1]))
    return xs[0] < right and left < xs[1] + 0.01 and ys[0] < bottom and top < ys[1] + 0.01


def overlap(one: Rect, other: Rect) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize("depth", [1, 2, EVERYTHING])
@pytest.mark.parametrize("name", NETS)
def test_no_line_runs_through_a_box(name: str, depth: int) -> None:
    root = ElementTree.fromstring(write_svg(picture_of(name, depth)))
    boxes, scopes = rects_in(root, {"box"}), rects_in(root, {"scope"})
    assert [pair for pair in combinations(boxes, 2) if overlap(*pair)] == []
    for i, scope in enumerate(scopes):
        for other in (*boxes, *scopes[i + 1 :]):
            inside = scope[0] <= other[0] and other[2] <= scope[2] and scope[1] <= other[1] and other[3] <= scope[3]
            around = other[0] <= scope[0] and scope[2] <= other[2] and other[1] <= scope[1] and scope[3] <= other[3]
            assert inside or around or not overlap(scope, other)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for path in root.iter(f"{SVG}path"):
        if "line" not in path.attrib["class"].split():
            continue
        points = points_of(path.attrib["d"])
        assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
        for start, end in pairwise(points):
            assert not [rect for rect in boxes if crosses(rect, start, end)], path.attrib["d"]


def test_a_line_through_a_box_is_seen() -> None:
    """The control of the test above."""
    assert crosses((0, 0, 50, 50), (25, -10), (25, 80))
    assert not crosses((0, 0, 50, 50), (60, -10), (60, 80))
    assert overlap((0, 0, 10, 10), (9, 9, 20, 20))


def test_a_large_graph_without_blocks_is_drawn() -> None:
    assert write_svg(draw_graph(chain(600, skips=True))).count("<circle") == 600


@pytest.mark.parametrize("graph", graphs(), ids=lambda graph: graph.name[:12].strip("<>/"))
def test_svg_says_what_it_is_and_needs_nothing_else(graph: Graph) -> None:
    text = write_svg(draw_graph(graph))
    root = ElementTree.fromstring(text)
    names = {element.tag.partition("}")[2] for element in root.iter()}
    assert names <= {"svg", "title", "desc", "style", "defs", "marker", "path", "rect", "g", "text", "tspan", "circle"}
    assert root[0].text
    assert root[1].text
    assert "prefers-color-scheme: dark" in text
    plain = {value for element in root.iter() for name, value in element.attrib.items() if "url(" in value}
    assert plain <= {"url(#tip)"}
    boxes = [group for group in root.iter() if group.tag.endswith("}g")]
    assert all(group.get("tabindex") == "0" and group.get("aria-label") for group in boxes)
    assert len(boxes) == sum(1 for _ in draw_graph(graph).visible())
    handlers = [name for element in root.iter() for name in element.attrib if name.startswith("on")]
    assert handlers == []


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(zoo_specs()))
def test_the_whole_zoo_is_drawn(name: str) -> None:
    test_no_line_runs_through_a_box(name, EVERYTHING)
