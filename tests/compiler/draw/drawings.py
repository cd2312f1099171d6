"""A graph whose every name is hostile, for the tests of what is drawn."""

from __future__ import annotations

from archspec.errors import Place
from archspec.ops import Add, BatchNorm, Input, Linear, Relu, Shape
from compiler.graph import Graph, Node, Source

HOSTILE = (
    '</script><script>window.hit=1</script><img src=x onerror="window.hit=1">"]-->'
    "'&#x22;\\N\\n;%%{init}%% end $x_$ 漢字 \x07\u202e\""
)


def hostile_graph() -> Graph:
    """An input, two layers in a block, a merge; markup, quotes, escapes and control characters in every name."""
    source = Source(Place(HOSTILE))
    nodes = [
        Node(HOSTILE, Input(dims=(4, 8, 8)), (), Shape(4, 8, 8), source),
        Node(f"{HOSTILE}b.{HOSTILE}.n", BatchNorm(), (HOSTILE,), Shape(4, 8, 8), source),
        Node(f"{HOSTILE}b.{HOSTILE}.r", Relu(), (f"{HOSTILE}b.{HOSTILE}.n",), Shape(4, 8, 8), source),
        Node(f"sum {HOSTILE}", Add(), (f"{HOSTILE}b.{HOSTILE}.r", HOSTILE), Shape(4, 8, 8), source),
    ]
    return Graph(HOSTILE, {node.id: node for node in nodes}, {HOSTILE: nodes[-1].id})


def vector_graph() -> Graph:
    """Hostile names at a network with costs: two linear layers."""
    source = Source(Place(HOSTILE))
    nodes = [
        Node("x", Input(dims=(4,)), (), Shape(4), source),
        Node(f"{HOSTILE}1", Linear(out=8), ("x",), Shape(8), source),
        Node(f"{HOSTILE}2", Linear(out=2), (f"{HOSTILE}1",), Shape(2), source),
    ]
    return Graph(HOSTILE, {node.id: node for node in nodes}, {HOSTILE: nodes[-1].id})
