"""The page: whole in itself, with a policy that allows nothing from outside, and readable in both schemes."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from importlib.util import find_spec
from itertools import product

import pytest

from archspec.api import analyze, elaborate, load
from compiler.analysis.report import PARTS, Report
from compiler.draw.page import write_page
from compiler.draw.picture import draw_graph
from compiler.draw.theme import COLOURS
from compiler.graph import Graph
from tests.compiler.draw.drawings import hostile_graph, vector_graph

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


@needs_matplotlib
def test_policy_names_the_page_s_own_script_and_style() -> None:
    graph = elaborate(load("resnet50"))
    reader = read(page_of(graph, report_on(graph)))
    policy = next(attrs["content"] for tag, attrs in reader.elements if attrs.get("http-equiv"))
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    digests = {
        tag: b64encode(sha256(text.encode()).digest()).decode()
        for tag, attrs, text in reader.raw
        if tag == "style" or (tag == "script" and "type" not in attrs)
    }
    assert f"style-src 'sha256-{digests['style']}'" in policy
    assert f"script-src 'sha256-{digests['script']}'" in policy
    assert [name for tag, attrs in reader.elements for name in attrs if name == "style" or name.startswith("on")] == []


@needs_matplotlib
def test_nothing_is_asked_of_others() -> None:
    graph = elaborate(load("unet"))
    text = page_of(graph, report_on(graph))
    assert set(re.findall(r"https?://[^\"' )<]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    links = {value for _, attrs in read(text).elements for name, value in attrs.items() if name in ("href", "src")}
    assert all(link.startswith("#") for link in links)
    assert re.findall(r"url\((?!#)", text) == []


@needs_matplotlib
@pytest.mark.parametrize("graph", [hostile_graph(), vector_graph()], ids=["layers", "linear"])
def test_hostile_names_are_text_in_a_whole_report(graph: Graph) -> None:
    reader = read(page_of(graph, report_on(graph)))
    assert [tag for tag, *_ in reader.raw] == ["title", "style", "script", "script"]
    assert not any(tag == "img" for tag, _ in reader.elements)
    data = json.loads(reader.raw[2][2])
    assert data["nodes"] == list(graph.nodes)


@needs_matplotlib
def test_ids_are_unique_and_led_to() -> None:
    graph = elaborate(load("densenet121"))
    elements = read(page_of(graph, report_on(graph))).elements
    ids = [attrs["id"] for _, attrs in elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in elements:
        for name in ("aria-labelledby", "for"):
            assert set(attrs.get(name, "").split()) <= set(ids)
        for value in attrs.values():
            assert set(re.findall(r"url\(#([^)]+)\)", value)) <= set(ids)
        if attrs.get("href", "").startswith("#"):
            assert attrs["href"][1:] in ids


@needs_matplotlib
def test_bars_points_and_rows_lead_to_nodes_and_blocks() -> None:
    graph = elaborate(load("resnet50"))
    reader = read(page_of(graph, report_on(graph)))
    data = json.loads(reader.raw[2][2])
    nodes = [int(attrs["data-n"]) for _, attrs in reader.elements if "data-n" in attrs]
    blocks = [int(attrs["data-b"]) for tag, attrs in reader.elements if "data-b" in attrs and tag == "g"]
    assert set(nodes) == set(range(len(graph)))
    stages = ["stage 112×112", "stage 56×56", "stage 28×28", "stage 14×14", "stage 7×7", "stage 1×1"]
    assert [data["blocks"][block]["title"] for block in blocks] == 2 * stages
    assert sorted(node for block in set(blocks) for node in data["blocks"][block]["nodes"]) == [*range(len(graph))]
    assert all(node in data["blocks"][data["home"][node]]["nodes"] for node in range(len(graph)))


@needs_matplotlib
@pytest.mark.parametrize("missing", [name for name in PARTS if name != "gradient"])
def test_a_part_that_is_not_there_is_left_out(missing: str) -> None:
    graph = elaborate(load("resnet_digits"))
    whole = report_on(graph)
    text = page_of(graph, replace(whole, **{missing: None}))
    heads = {
        "receptive_field": "Receptive field",
        "memory": "Memory over time",
        "variance": "Signal at initialization",
        "lint": "Lint",
    }
    assert {head for head in heads.values() if f">{head}</h2>" in text} == {*heads.values()} - {heads[missing]}


@needs_matplotlib
def test_the_same_report_gives_the_same_bytes() -> None:
    graph = elaborate(load("resnet_digits"))
    assert page_of(graph, report_on(graph)) == page_of(graph, report_on(graph))


@needs_matplotlib
@pytest.mark.parametrize(
    ("name", "limit"), [("resnet50", 1_000_000), pytest.param("preresnet1001", 5_000_000, marks=pytest.mark.slow)]
)
def test_pages_stay_small(name: str, limit: int) -> None:
    graph = elaborate(load(name))
    assert len(page_of(graph, report_on(graph)).encode()) < limit


@needs_matplotlib
def test_counts_beyond_a_float_are_drawn() -> None:
    graph = elaborate(load("residual_mlp", {"blocks": 1100}))
    assert "2^1100 paths" in page_of(graph, analyze(graph, by_length=True))


def test_the_page_of_a_drawing_has_the_graph_alone() -> None:
    reader = read(page_of(elaborate(load("se_net"))))
    tags = [tag for tag, _ in reader.elements]
    assert "figure" not in tags
    assert {"header", "main", "section", "aside", "form"} <= set(tags)
    assert all(attrs.get("aria-label") for tag, attrs in reader.elements if tag == "summary")


# -- contrast (WCAG 2.1, 1.4.3: 4.5 for text) ------------------------------------------------------------------------


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def colours_of(text: str, side: int) -> dict[str, str]:
    """The colours of the light (0) or the dark (1) scheme."""
    style = next(text for tag, _, text in read(text).raw if tag == "style")
    dark = "".join(re.findall(r"@media screen and \(prefers-color-scheme: dark\) \{(.*?\})\s*\}", style, re.S))
    return dict(re.findall(r"--(\w+): (#\w{6})", dark if side else style.replace(dark, "")))


@pytest.mark.parametrize("side", [0, 1])
def test_text_is_legible_in_both_schemes(side: int) -> None:
    colours = colours_of(page_of(elaborate(load("residual_mlp"))), side)
    grounds = ["ground", "panel", *(kind for kind in COLOURS if kind != "label")]
    for text, ground in product(("text", "dim"), grounds):
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for text, ground in product(("link", "warn", "one", "two", "on"), ("ground",)):
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["link"], colours["call"]) >= 4.5


def test_contrast_is_measured_as_defined() -> None:
    """Black on white is 21 to 1; a grey that is known to fail does."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#999999", "#ffffff") < 4.5
