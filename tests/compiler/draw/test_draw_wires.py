"""What is read several times has as many wires, in every format; and what scopes are called that are drawn."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from archspec.api import analyze, elaborate, load
from archspec.errors import Place
from archspec.ops import Input, Relu, Shape
from compiler.draw.blocks import Block
from compiler.draw.dot import write_dot
from compiler.draw.mermaid import write_mermaid
from compiler.draw.nested import Nested
from compiler.draw.picture import Picture, draw_graph
from compiler.draw.svg import write_svg
from compiler.graph import Graph, Node, Source

TWICE = """
archspec: 1
name: twice
inputs: {x: [4, 8, 8]}
network:
  - conv: 4
  - add: [[], []]
  - residual: {body: [relu, {add: [[], [], [conv: 4]]}]}
"""
ONCE = TWICE.replace("[[], []]", "[[], [relu]]").replace("[[], [], [conv: 4]]", "[[], [conv: 4]]")


def draw(text: str, folder: Path, depth: int = 9) -> Picture:
    file = folder / "net.yaml"
    file.write_text(text, encoding="utf-8")
    return draw_graph(elaborate(load(file)), depth=depth)


@pytest.mark.parametrize(("text", "paths"), [(TWICE, 8), (ONCE, 6)], ids=["twice", "once"])
def test_there_is_a_wire_for_each_operand(text: str, paths: int, tmp_path: Path) -> None:
    """As many as the graph has edges; in the control nothing is read twice by one node."""
    picture, twice = draw(text, tmp_path), text == TWICE
    graph = picture.graph
    assert analyze(graph).paths.op.total == paths
    edges = sum(len(node.inputs) for node in graph) + len(graph.outputs)
    for text, arrow in ((write_dot(picture), "->"), (write_mermaid(picture), "-->")):
        arrows = re.findall(rf"n\d+ {arrow} n\d+", text)
        inside = len(graph) + len(graph.outputs) - len(picture_boxes(picture))
        assert len(arrows) == edges - inside, "but those inside boxes"
        assert (len(set(arrows)) < len(arrows)) == twice
    wires = [wire for block in walk(picture.to_dict()) for wire in block.get("wires", ())]
    ends = [tuple(wire.items()) for wire in wires]
    assert (len(set(ends)) < len(ends)) == twice
    lines = [line.get("d") for line in ElementTree.fromstring(write_svg(picture)).iter() if line.get("marker-end")]
    assert len(lines) == len(set(lines)) == sum(wire["to"] is not None for wire in wires)
    nested = Nested(picture)
    nested.write()
    shown = [len(run[9]) for plan in nested.wires.values() for run in plan["runs"]]
    assert sum(shown) == len(wires)
    assert (max(shown) > 1) == twice


def picture_boxes(picture: Picture) -> list[Block]:
    return [block for block in picture.visible() if not picture.is_open(block)]


def walk(block: dict[str, Any]) -> list[dict[str, Any]]:
    return [block, *(inner for child in block.get("children", ()) for inner in walk(child))]


def test_a_wire_to_a_closed_block_is_one(tmp_path: Path) -> None:
    """However often what enters is read in it."""
    arrows = re.findall(r"n\d+ -> n\d+", write_dot(draw(TWICE, tmp_path, depth=0)))
    assert len(arrows) - len(set(arrows)) == 1  # into the sum outside


def graph_of(*edges: tuple[str, str]) -> Graph:
    """A chain of activations with these ids and operands, after an input x."""
    nodes = [Node("x", Input(dims=(4,)), (), Shape(4), Source(Place("here")))]
    nodes += [Node(id, Relu(), (operand,), Shape(4), Source(Place("here"))) for id, operand in edges]
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
