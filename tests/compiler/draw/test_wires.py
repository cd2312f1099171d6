"""What leads from box to box: the graph's edges; what is read several times has as many wires, in every format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import networkx as nx
import pytest

from archspec.api import analyze
from compiler.draw.blocks import PictureBlock
from compiler.draw.dot import write_dot
from compiler.draw.mermaid import write_mermaid
from compiler.draw.nested import Nested
from compiler.draw.picture import GraphPicture
from compiler.draw.svg import write_svg
from tests.support.drawings import EVERYTHING, draw, picture_of

UNFOLDED = ("se_net", "resnext29_16x64d", "resnet_digits")


def owner_of(picture: GraphPicture) -> dict[str, str]:
    """For each node the box that is seen of it."""
    owner: dict[str, str] = {}
    for block in picture.visible():
        if not picture.is_open(block):
            owner |= dict.fromkeys(block.nodes, block.id)
    return owner


@pytest.mark.parametrize("depth", [0, 1, EVERYTHING])
@pytest.mark.parametrize("name", UNFOLDED)
def test_wires_are_the_graph_s_edges(name: str, depth: int) -> None:
    """Where little is folded: networkx's own edges between nodes of different boxes, and no others."""
    picture = picture_of(name, depth)
    folded = {id for block in picture.visible() if block.times > 1 for id in block.nodes}
    owner = owner_of(picture)
    edges = {
        (owner[u], owner[v])
        for u, v in nx.DiGraph(picture.graph.digraph).edges
        if owner[u] != owner[v] and not ({u, v} <= folded)
    }
    wires = {(wire.source, wire.target) for wire in picture.links()}
    assert edges <= wires
    assert {wire for wire in wires if not wire[1].startswith("output:")} >= edges
    reached = nx.transitive_closure(nx.DiGraph([(owner[u], owner[v]) for u, v in picture.graph.digraph.edges()]))
    assert all(reached.has_edge(u, v) for u, v in wires if not v.startswith("output:"))


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


def picture_boxes(picture: GraphPicture) -> list[PictureBlock]:
    return [block for block in picture.visible() if not picture.is_open(block)]


def walk(block: dict[str, Any]) -> list[dict[str, Any]]:
    return [block, *(inner for child in block.get("children", ()) for inner in walk(child))]


def test_a_wire_to_a_closed_block_is_one(tmp_path: Path) -> None:
    """However often what enters is read in it."""
    arrows = re.findall(r"n\d+ -> n\d+", write_dot(draw(TWICE, tmp_path, depth=0)))
    assert len(arrows) - len(set(arrows)) == 1  # into the sum outside
