"""The plots of a report: what they show, what they lead to, and what is left out."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archspec.api import analyze, elaborate, load
from compiler.analysis.report import PARTS
from tests.support.pages import needs_matplotlib, page_of, read, report_on
from tests.support.runs import build


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
    without: dict[str, Any] = {missing: None}
    text = page_of(graph, replace(whole, **without))
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
def test_counts_beyond_a_float_are_drawn() -> None:
    graph = elaborate(load("residual_mlp", {"blocks": 1100}))
    assert "2^1100 paths" in page_of(graph, analyze(graph, by_length=True))


@needs_matplotlib
def test_the_powers_of_a_logarithmic_axis_are_text(tmp_path: Path) -> None:
    """Names with `$` are no formulas, and so nothing else is."""
    graph = build(tmp_path, [{"conv": 16}, "relu", {"conv": 16}, "relu", {"conv": 8}], [3, 16, 16])
    page = page_of(graph, report_on(graph))
    assert re.search("10[⁻⁰¹²³]+<", page)
    assert not [word for word in ("mathdefault", "$\\", "\\mathrm") if word in page]
