"""Graphviz: read by its language's own grammar (graphviz.org/doc/info/lang.html), as far as it is used."""

from __future__ import annotations

import re

import pytest

from compiler.draw.dot import write_dot
from compiler.draw.picture import draw_graph
from compiler.graph import Graph
from tests.support.drawings import (
    graphs,
    picture_of,
)

DOT_TOKENS = re.compile(r'\s*("(?:[^"\\\n]|\\.)*"|->|[A-Za-z_]\w*|[0-9.]+|[{}\[\];,=])')


def dot_tokens(text: str) -> list[str]:
    tokens, place = [], 0
    while text[place:].strip():
        found = DOT_TOKENS.match(text, place)
        assert found, f"no token of DOT: {text[place : place + 40]!r}"
        tokens.append(found[1])
        place = found.end()
    return tokens


class DotReader:
    """Reads `digraph ID { … }` by recursive descent; `nodes`, `edges` and `clusters` are what it found."""

    def __init__(self, text: str) -> None:
        self.tokens = [*dot_tokens(text), "$"]
        self.nodes: dict[str, dict[str, str]] = {}
        self.edges: list[tuple[str, str]] = []
        self.clusters: list[str] = []
        self.take("digraph")
        self.take_id()
        self.statements()
        self.take("$")

    def take(self, token: str) -> None:
        found = self.tokens.pop(0)
        assert found == token, f"expected {token}, found {found}"

    def take_id(self) -> str:
        found = self.tokens.pop(0)
        assert re.match(r'"|\w', found), f"expected a name, found {found}"
        return found

    def statements(self) -> None:
        self.take("{")
        while self.tokens[0] != "}":
            self.statement()
            if self.tokens[0] == ";":
                self.tokens.pop(0)
        self.take("}")

    def statement(self) -> None:
        name = self.take_id()
        if name == "subgraph":
            self.clusters.append(self.take_id())
            self.statements()
        elif self.tokens[0] == "=":
            self.take("=")
            self.take_id()
        elif self.tokens[0] == "->":
            self.take("->")
            self.edges.append((name, self.take_id()))
            self.attributes()
        elif name in ("graph", "node", "edge"):
            self.attributes()
        else:
            assert name not in self.nodes
            self.nodes[name] = self.attributes()

    def attributes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if self.tokens[0] != "[":
            return found
        self.take("[")
        while self.tokens[0] != "]":
            name = self.take_id()
            self.take("=")
            found[name] = self.take_id()
            if self.tokens[0] == ",":
                self.tokens.pop(0)
        self.take("]")
        return found


@pytest.mark.parametrize("graph", graphs(), ids=lambda graph: graph.name[:12].strip("<>/"))
@pytest.mark.parametrize("depth", [0, 9])
def test_dot_has_the_picture_s_nodes_and_edges(graph: Graph, depth: int) -> None:
    picture = draw_graph(graph, depth=depth)
    read = DotReader(write_dot(picture))
    seen = list(picture.visible())
    assert len(read.clusters) == sum(map(picture.is_open, seen))
    assert len(read.nodes) == len(seen) - len(read.clusters)
    assert len(read.edges) == len(set(picture.links()))
    assert {end for edge in read.edges for end in edge} <= read.nodes.keys()


def test_broken_dot_is_seen() -> None:
    """The control: the reader refuses what the grammar does."""
    good = write_dot(picture_of("residual_mlp"))
    DotReader(good)
    for broken in (good.replace("}", "", 1), good.replace('label="', 'label="a"b', 1), good.replace("->", "=>", 1)):
        with pytest.raises(AssertionError):
            DotReader(broken)
