"""What is open in a picture, and what holds in every format: no name leaves its quotes, and bytes stay."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from archspec.api import elaborate, load
from archspec.errors import ArchspecError
from compiler.draw.dot import write_dot
from compiler.draw.mermaid import write_mermaid
from compiler.draw.page import write_page
from compiler.draw.picture import GraphPicture, draw_graph
from compiler.draw.svg import write_svg
from tests.support.drawings import HOSTILE, hostile_graph, picture_of

WRITERS = (write_svg, write_page, write_mermaid, write_dot)


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_hostile_names_stay_text(write: Callable[[GraphPicture], str]) -> None:
    text = write(draw_graph(hostile_graph(), depth=9))
    if write is not write_dot:  # where `<` is a letter in quotes like any other
        assert "<script>window" not in text
        assert "<img" not in text
    assert "\x07" not in text
    assert "\u202e" not in text.split("application/json")[0]
    text.encode("utf-8")


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_the_same_graph_gives_the_same_bytes(write: Callable[[GraphPicture], str]) -> None:
    assert write(picture_of("unet")) == write(picture_of("unet"))
    assert write(picture_of("unet")) != write(picture_of("unet_same"))


@pytest.mark.parametrize("name", ["preresnet1001", "densenet201"])
def test_deep_networks_stay_small_pictures(name: str) -> None:
    """Thousands of operations, and less than a hundred boxes with everything open."""
    picture = picture_of(name, depth=50)
    assert sum(1 for _ in picture.visible()) < 100
    assert all(len(write(picture)) < 1_500_000 for write in WRITERS)


def test_json_has_the_blocks_with_their_figures_and_wires() -> None:
    picture = picture_of("resnet50")
    data = json.loads(json.dumps(picture.to_dict()))
    assert data["name"] == "resnet50"
    assert data["sizes"] == {"H": 224, "W": 224}
    assert sum(child["macs"] for child in data["children"] if "macs" in child) == 4_089_184_256
    stages = next(child for child in data["children"] if child["title"] == "repeat_0")["children"]
    assert [stage["children"][1]["times"] for stage in stages] == [2, 3, 5, 2]
    assert stages[0]["entries"] == ["max_pool_0"]
    ends = {(wire["from"], wire["to"]) for wire in stages[0]["wires"]}
    assert ends == {
        (None, stages[0]["children"][0]["id"]),
        (stages[0]["children"][0]["id"], stages[0]["children"][1]["id"]),
        (stages[0]["children"][1]["id"], None),
    }


def test_hostile_name_is_hostile() -> None:
    assert HOSTILE.count("<script>") == 1


def test_depth_and_patterns_open_blocks() -> None:
    graph = elaborate(load("resnet50"))
    closed = draw_graph(graph, depth=0)
    assert [block.title for block in closed.visible() if block.children] == ["repeat_0"]
    opened = draw_graph(graph, depth=0, patterns=["*.i2.bottleneck_0"])
    assert [block.id for block in opened.visible() if opened.is_open(block)] == [
        "repeat_0.",
        "repeat_0.i2.",
        "repeat_0.i2.bottleneck_0.",
    ]
    with pytest.raises(ArchspecError, match="no block of resnet50 fits 'nothing'; names are such as 'repeat_0'"):
        draw_graph(graph, patterns=["nothing"])
