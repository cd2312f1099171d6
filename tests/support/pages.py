"""Pages of graphs, and a reader of their HTML that checks how elements nest."""

from __future__ import annotations

from html.parser import HTMLParser
from importlib.util import find_spec

import pytest

from archspec.api import analyze
from compiler.analysis.report import Report
from compiler.draw.page import write_page
from compiler.draw.picture import draw_graph
from compiler.graph import Graph

needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="needs the extra `pictures`")

VOID = {"meta", "input", "br", "img", "link", "wbr"}


class Reader(HTMLParser):
    """Elements in their order, their nesting checked; what stands in each script, style and title."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.raw: list[tuple[str, dict[str, str], str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("script", "style", "title"):
            self.raw.append((tag, self.elements[-1][1], ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style", "title"):
            tag, attrs, text = self.raw[-1]
            self.raw[-1] = (tag, attrs, text + data)


def report_on(graph: Graph) -> Report:
    return analyze(graph, wanted=("receptive_field", "memory", "variance", "lint"))


def page_of(graph: Graph, report: Report | None = None) -> str:
    return write_page(draw_graph(graph), report)


def read(text: str) -> Reader:
    return Reader(text)
