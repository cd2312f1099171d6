"""The page: whole in itself, with a policy that allows nothing from outside, and readable in both schemes."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from itertools import product

import pytest

from archspec.api import elaborate, load
from compiler.draw.theme import COLOURS
from compiler.graph import Graph
from tests.support.drawings import (
    hostile_graph,
    vector_graph,
)
from tests.support.pages import needs_matplotlib, page_of, read, report_on


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
@pytest.mark.parametrize(
    ("name", "limit"), [("resnet50", 1_000_000), pytest.param("preresnet1001", 5_000_000, marks=pytest.mark.slow)]
)
def test_pages_stay_small(name: str, limit: int) -> None:
    graph = elaborate(load(name))
    assert len(page_of(graph, report_on(graph)).encode()) < limit


def test_the_page_of_a_drawing_has_the_graph_alone() -> None:
    reader = read(page_of(elaborate(load("se_net"))))
    tags = [tag for tag, _ in reader.elements]
    assert "figure" not in tags
    assert {"header", "main", "section", "aside", "form"} <= set(tags)
    assert all(attrs.get("aria-label") for tag, attrs in reader.elements if tag == "summary")


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
