"""The drawing of a network's paths: figure 11.4b of Prince, 2023, and its limits."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any
from xml.etree import ElementTree

import pytest

from archspec.api import elaborate, load
from archspec.errors import ArchspecError
from compiler.draw.unravelled import draw_unravelled
from compiler.graph import Graph
from tests.support.documents import graph_from

SVG = "{http://www.w3.org/2000/svg}"


def chain(blocks: int, *, body: Any = ("relu", {"linear": 3})) -> Graph:
    """The book's network: nothing before or after the blocks."""
    network = [{"repeat": {"n": blocks, "body": [{"residual": {"body": list(body)}}]}}]
    return graph_from({"archspec": 1, "name": "chain", "inputs": {"x": [3]}, "network": network})


def dense(layers: int) -> Graph:
    network = [{"dense": {"n": layers, "body": ["batch_norm", "relu", {"conv": 2}]}}]
    return graph_from({"archspec": 1, "name": "dense", "inputs": {"x": [2, 8, 8]}, "network": network})


def boxes(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    shown = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert len(list(root.iter(f"{SVG}rect"))) - 1 == sum(bool(re.fullmatch(r"[fgp]\d+", text)) for text in shown)
    return shown


def test_figure_11_4b() -> None:
    """Sixteen ways from x, eight of them through f1; one box for f4, which all its ways share."""
    svg = draw_unravelled(chain(4))
    shown = boxes(svg)
    assert [shown.count(name) for name in ("x", "f1", "f2", "f3", "f4")] == [16, 8, 4, 2, 1]
    description = ElementTree.fromstring(svg).findtext(f"{SVG}desc") or ""
    ways = description.removeprefix("output: 16 paths: ").removesuffix(".").split("; ")
    functions = ["f1", "f2", "f3", "f4"]
    expected = [" ".join(way) or "straight on" for k in range(5) for way in combinations(functions, k)]
    assert sorted(ways) == sorted(expected)


def test_drawings_of_problem_11_11_and_of_unet_plus_plus() -> None:
    shown = boxes(draw_unravelled(dense(3)))
    assert [shown.count(name) for name in ("x", "f1", "f2", "f3")] == [8, 4, 2, 1]
    shown = boxes(draw_unravelled(elaborate(load("unet_plus_plus"))))
    assert "mask4: 34 paths" in shown
    assert shown.count("x") == 2 + 5 + 13 + 34


def test_a_drawing_is_legible_on_both_grounds_and_refers_to_nothing_outside() -> None:
    svg = draw_unravelled(chain(2))
    assert "prefers-color-scheme: dark" in svg
    assert "<title" in svg
    assert set(re.findall(r"https?://[^\"]+", svg)) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("blocks", [8, 1001])
def test_a_drawing_of_too_many_paths_is_refused(blocks: int) -> None:
    with pytest.raises(ArchspecError, match="a drawing shows at most 128: take fewer blocks"):
        draw_unravelled(chain(blocks))
