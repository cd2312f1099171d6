"""Mermaid: only the forms that its flowcharts have, line by line."""

from __future__ import annotations

import re

import pytest

from compiler.draw.mermaid import write_mermaid
from compiler.draw.picture import draw_graph
from compiler.graph import Graph
from tests.support.drawings import (
    graphs,
    picture_of,
)

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
