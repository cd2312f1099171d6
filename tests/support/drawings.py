"""Graphs and pictures for the tests of what is drawn, among them one whose every name is hostile."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from archspec.api import elaborate, load
from archspec.errors import Place
from archspec.ops import Add, BatchNorm, Input, Linear, Relu, Shape
from archspec.spec.load import load as load_spec
from compiler.draw.blocks import PictureBlock
from compiler.draw.picture import GraphPicture, draw_graph
from compiler.draw.written.labels import Subject
from compiler.draw.written.pictures import draw_subjects
from compiler.graph import Graph, Node, NodeSource

SVG = "{http://www.w3.org/2000/svg}"
NETS = ("residual_mlp", "se_net", "resnet50", "densenet121", "unet", "unet_plus_plus", "hourglass2", "highway", "vgg16")
EVERYTHING = 50
"""A depth at which everything is open."""

HOSTILE = (
    '</script><script>window.hit=1</script><img src=x onerror="window.hit=1">"]-->'
    "'&#x22;\\N\\n;%%{init}%% end $x_$ 漢字 \x07\u202e\""
)


def hostile_graph() -> Graph:
    """An input, two layers in a block, a merge; markup, quotes, escapes and control characters in every name."""
    source = NodeSource(Place(HOSTILE))
    nodes = [
        Node(HOSTILE, Input(dims=(4, 8, 8)), (), Shape(4, 8, 8), source),
        Node(f"{HOSTILE}b.{HOSTILE}.n", BatchNorm(), (HOSTILE,), Shape(4, 8, 8), source),
        Node(f"{HOSTILE}b.{HOSTILE}.r", Relu(), (f"{HOSTILE}b.{HOSTILE}.n",), Shape(4, 8, 8), source),
        Node(f"sum {HOSTILE}", Add(), (f"{HOSTILE}b.{HOSTILE}.r", HOSTILE), Shape(4, 8, 8), source),
    ]
    return Graph(HOSTILE, {node.id: node for node in nodes}, {HOSTILE: nodes[-1].id})


def vector_graph() -> Graph:
    """Hostile names at a network with costs: two linear layers."""
    source = NodeSource(Place(HOSTILE))
    nodes = [
        Node("x", Input(dims=(4,)), (), Shape(4), source),
        Node(f"{HOSTILE}1", Linear(out=8), ("x",), Shape(8), source),
        Node(f"{HOSTILE}2", Linear(out=2), (f"{HOSTILE}1",), Shape(2), source),
    ]
    return Graph(HOSTILE, {node.id: node for node in nodes}, {HOSTILE: nodes[-1].id})


def picture_of(name: str, depth: int | None = None) -> GraphPicture:
    """The picture of a network of the zoo."""
    return draw_graph(elaborate(load(name)), depth=depth)


def draw(text: str, folder: Path, depth: int = 9) -> GraphPicture:
    """The picture of a spec's text."""
    file = folder / "net.yaml"
    file.write_text(text, encoding="utf-8")
    return draw_graph(elaborate(load(file)), depth=depth)


def draw_body(body: str, folder: Path, head: str = "") -> list[str]:
    """The labels, in their order, of a network's body as it is written."""
    file = folder / "net.yaml"
    file.write_text(f"archspec: 1\n{head}\ninputs: {{x: [16, 32, 32]}}\nnetwork: {body}\n", encoding="utf-8")
    drawing = ElementTree.fromstring(draw_subjects([Subject(load_spec(file))], "a picture"))
    return [text.text or "" for text in drawing.iter(f"{SVG}text")]


def graphs() -> list[Graph]:
    """Networks of several kinds, and one whose names are hostile."""
    names = ("residual_mlp", "resnet50", "densenet121", "unet", "hourglass2")
    return [*(elaborate(load(name)) for name in names), hostile_graph()]


def leaves(block: PictureBlock) -> list[PictureBlock]:
    """The boxes of operations."""
    return [child for _, child in block.walk() if not child.children]


def chain(count: int, *, skips: bool = False) -> Graph:
    """A graph without scopes, of other operations by turns, so that nothing is folded."""
    source = NodeSource(Place("somewhere"))
    nodes = [Node("x", Input(dims=(4,)), (), Shape(4), source)]
    for i in range(count):
        op, inputs = (Add(), (nodes[-1].id, nodes[i // 2].id)) if skips or i % 2 else (Relu(), (nodes[-1].id,))
        nodes.append(Node(f"n{i}", op, inputs, Shape(4), source))
    return Graph("chain", {node.id: node for node in nodes}, {"output": nodes[-1].id})
