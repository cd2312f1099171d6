"""What a box stands for, and which neighbours are one: against the graph itself, and published tables."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from archspec.api import elaborate, load
from archspec.errors import Place
from archspec.ops import Input, Relu, Shape
from archspec.spec.zoo import zoo_specs
from compiler.draw.blocks import PictureBlock, fold_blocks
from compiler.draw.picture import draw_graph
from compiler.draw.svg import write_svg
from compiler.graph import Graph, Node, NodeSource
from tests.support.drawings import NETS, draw, leaves, picture_of


def titles(block: PictureBlock) -> dict[str, int]:
    """The folded blocks, and how many neighbours each stands for."""
    return {f"{child.id}{child.title}": child.times for _, child in block.walk() if child.times > 1 and child.children}


@pytest.mark.parametrize("name", NETS)
def test_every_node_is_in_one_box(name: str) -> None:
    picture = picture_of(name)
    counted = Counter(id for box in leaves(picture.whole) for id in box.nodes)
    assert counted == Counter(dict.fromkeys(picture.graph.nodes, 1))


@pytest.mark.parametrize(
    ("name", "times"),
    [
        (
            "resnet50",
            [2, 3, 5, 2],
        ),  # He et al., 2016, table 1: 3, 4, 6 and 3 blocks, the first of each unlike the others
        ("resnet152", [2, 7, 35, 2]),
        ("densenet121", [6, 12, 24, 16]),  # Huang et al., 2017, table 1
        ("densenet201", [6, 12, 48, 32]),
        ("preresnet1001", [110, 110, 110]),  # 1001 = 9 · 111 + 2
        ("residual_mlp", [4]),
        ("highway", [49]),
    ],
)
def test_equal_neighbours_are_one_box(name: str, times: list[int]) -> None:
    assert list(titles(fold_blocks(elaborate(load(name)))).values()) == times


def test_what_is_read_from_the_middle_is_not_folded() -> None:
    """The two units of an hourglass's level are equal and follow each other, but the first has a second reader."""
    whole = fold_blocks(elaborate(load("hourglass1")))
    folded = [child for _, child in whole.walk() if child.times > 1]
    assert [child.times for child in folded] == [3]


def test_ways_side_by_side_are_folded() -> None:
    """ResNeXt's form a: 32 equal ways."""
    whole = fold_blocks(elaborate(load("resnext50_form_a")))
    assert {child.times for _, child in whole.walk() if child.times >= 32} == {32}


def test_norm_and_activation_share_the_box_of_their_convolution() -> None:
    lines = [box.lines for box in leaves(fold_blocks(elaborate(load("resnet50"))))]
    assert ("conv 7×7, 64, /2", "batch_norm", "relu") in lines
    lines = [box.lines for box in leaves(fold_blocks(elaborate(load("preresnet110"))))]
    assert ("batch_norm", "relu", "conv 3×3, 16") in lines


def test_numbers_that_change_from_turn_to_turn_are_told() -> None:
    lines = {line for box in leaves(fold_blocks(elaborate(load("resnet110_stochastic_depth")))) for line in box.lines}
    assert "stochastic_depth 0.9815 … 0.8333" in lines


def test_names_with_thousands_of_points_are_no_deep_tree() -> None:
    source = NodeSource(Place("somewhere"))
    nodes = [Node("x", Input(dims=(4,)), (), Shape(4), source)]
    nodes += [Node("a." * 5000 + str(i), Relu(), (nodes[-1].id,), Shape(4), source) for i in range(1)]
    nodes += [Node(name, Relu(), (nodes[-1].id,), Shape(4), source) for name in ("..", "b", "b.c")]
    graph = Graph("deep", {node.id: node for node in nodes}, {"output": "b"})
    assert "relu" in write_svg(draw_graph(graph))


def graph_of(*edges: tuple[str, str]) -> Graph:
    """A chain of activations with these ids and operands, after an input x."""
    nodes = [Node("x", Input(dims=(4,)), (), Shape(4), NodeSource(Place("here")))]
    nodes += [Node(id, Relu(), (operand,), Shape(4), NodeSource(Place("here"))) for id, operand in edges]
    return Graph("chain", {node.id: node for node in nodes}, {"y": nodes[-1].id})


def test_a_prefix_of_all_names_is_no_block() -> None:
    one = draw_graph(graph_of(("p2o.a.one", "x"), ("p2o.a.two", "p2o.a.one"), ("p2o.b.one", "p2o.a.two")))
    assert "p2o" not in {block.title for _, block in one.whole.walk()}
    edges = [("a.one", "x"), *((f"a.{n}", "a.one") for n in range(20)), ("b.one", "a.1"), ("b.two", "b.one")]
    several = draw_graph(graph_of(*edges))
    assert "a" in {block.title for _, block in several.whole.walk()}


def test_a_first_stage_that_is_folded_keeps_its_name(tmp_path: Path) -> None:
    """Its turns are not those of the loop around it."""
    text = """
archspec: 1
name: stages
inputs: {x: [4, 8, 8]}
network:
  - repeat:
      n: 3
      body:
        - repeat: {n: 2, body: [residual: {body: [conv: 4, relu]}]}
        - residual: {body: [conv: {out: 4, dilation: i + 1}, relu]}
"""
    picture = draw(text, tmp_path)
    stages = [block.title for block in picture.whole.children if block.children]
    assert [title.split(".")[0] for title in stages] == ["i0", "i1", "i2"]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(zoo_specs()))
def test_every_node_of_the_zoo_is_in_one_box(name: str) -> None:
    test_every_node_is_in_one_box(name)
