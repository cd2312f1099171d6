"""Each format is well-formed, says what the picture says, and lets no name out of its quotes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from archspec.api import elaborate, load
from compiler.draw.dot import write_dot
from compiler.draw.mermaid import write_mermaid
from compiler.draw.page import write_page
from compiler.draw.picture import Picture, draw_graph
from compiler.draw.svg import write_svg
from compiler.graph import Graph
from tests.compiler.draw.drawings import HOSTILE, hostile_graph

NETS = ("residual_mlp", "resnet50", "densenet121", "unet", "hourglass2")
WRITERS = (write_svg, write_page, write_mermaid, write_dot)


def graphs() -> list[Graph]:
    return [*(elaborate(load(name)) for name in NETS), hostile_graph()]


def picture_of(name: str, depth: int | None = None) -> Picture:
    return draw_graph(elaborate(load(name)), depth=depth)


# -- Graphviz: the language's own grammar (graphviz.org/doc/info/lang.html), as far as it is used --------------------

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


# -- Mermaid: only the forms that its flowcharts have, line by line --------------------------------------------------

LABEL = r'"(?:[A-Za-z0-9 .,_×…·/=+()\-⊕⊗∥∿]|#\d+;|<br/>)*"'
MERMAID = [
    rf"subgraph (n\d+)\[{LABEL}\]",
    r"(end)",
    rf"(n\d+)(?:\[{LABEL}\]|\(\[{LABEL}\]\)|\(\({LABEL}\)\))",
    r"(n\d+) (?:-->|-\.->) (n\d+)",
    r"classDef (kind_\w+) fill:#[0-9a-f]{6},stroke:#6e7781,color:#1c2128",
    r"class (n\d+(?:,n\d+)*) kind_\w+",
]


def read_mermaid(text: str) -> tuple[set[str], set[tuple[str, str]]]:
    """Nodes and edges; every line has one of the forms, and subgraphs are closed."""
    comment, head, *lines = text.splitlines()
    assert comment.startswith("%% ")
    assert "{" not in comment  # `%%{` would be a directive
    assert head == "flowchart TD"
    nodes: set[str] = set()
    edges: set[tuple[str, str]] = set()
    depth = 0
    for line in lines:
        forms = [(number, found) for number, form in enumerate(MERMAID) if (found := re.fullmatch(form, line.strip()))]
        assert len(forms) == 1, line
        number, found = forms[0]
        depth += (number == 0) - (number == 1)
        assert depth >= 0
        nodes |= {found[1]} if number in (0, 2) else set()
        edges |= {(found[1], found[2])} if number == 3 else set()
    assert depth == 0
    return nodes, edges


@pytest.mark.parametrize("graph", graphs(), ids=lambda graph: graph.name[:12].strip("<>/"))
@pytest.mark.parametrize("depth", [0, 9])
def test_mermaid_has_the_picture_s_nodes_and_edges(graph: Graph, depth: int) -> None:
    picture = draw_graph(graph, depth=depth)
    nodes, edges = read_mermaid(write_mermaid(picture))
    assert len(nodes) == sum(1 for _ in picture.visible())
    assert len(edges) == len({(wire.source, wire.target) for wire in picture.links()})
    assert {end for edge in edges for end in edge} <= nodes


def test_mermaid_s_words_are_no_names() -> None:
    """`call` and `end` are words of its language; mermaid 11 refuses a class of that name."""
    text = write_mermaid(picture_of("resnet50"))
    assert re.findall(r"classDef (\w+)", text) == ["kind_kernel", "kind_resize", "kind_call"]


# -- SVG -------------------------------------------------------------------------------------------------------------


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


# -- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_hostile_names_stay_text(write: Callable[[Picture], str]) -> None:
    text = write(draw_graph(hostile_graph(), depth=9))
    if write is not write_dot:  # where `<` is a letter in quotes like any other
        assert "<script>window" not in text
        assert "<img" not in text
    assert "\x07" not in text
    assert "\u202e" not in text.split("application/json")[0]
    text.encode("utf-8")


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_the_same_graph_gives_the_same_bytes(write: Callable[[Picture], str]) -> None:
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
