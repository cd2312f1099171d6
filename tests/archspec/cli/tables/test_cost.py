"""The tables of --cost: every convention, and parts whose shares are the whole."""

from __future__ import annotations

import pytest

from archspec.cli.tables.console import console
from archspec.cli.tables.cost import print_cost
from compiler.analysis.certainty import at_least
from compiler.analysis.cost.cost import CONVENTIONS, measure_cost
from tests.support.documents import graph_from
from tests.support.tables import read_rows

DOCUMENT = {
    "archspec": 1,
    "inputs": {"x": [4, 8, 8]},
    "network": [
        {"conv": {"out": 8, "bias": False}},
        {"repeat": {"n": 3, "body": [{"residual": {"body": [{"conv": 8}, "relu"]}}]}},
        "global_avg_pool",
        "flatten",
        {"linear": 10},
    ],
}
STEM, BODY, HEAD = 8 * 4 * 9 * 64, 8 * 8 * 9 * 64, 8 * 10
"""Multiply-accumulates by hand: kernels times positions."""


def test_the_parts_are_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    print_cost(measure_cost(graph_from(DOCUMENT)), console(), {})
    rows = read_rows(capsys)
    assert {row[0] for row in rows} >= {*CONVENTIONS, "elementwise"}
    assert next(row for row in rows if row[0] == "conv-linear")[1] == f"{STEM + 3 * BODY + HEAD:,}"
    stages = [row for row in rows if row[0] in ("8×8", "1×1", "no map")]
    assert sum(float(row[4].rstrip("%")) for row in stages) == pytest.approx(100, abs=0.2)


def test_equal_bodies_stand_once_with_their_number(capsys: pytest.CaptureFixture[str]) -> None:
    print_cost(measure_cost(graph_from(DOCUMENT)), console(), {})
    (body,) = [row for row in read_rows(capsys) if "×3" in row]
    assert body[1:5] == ["×3", "3", f"{8 * 8 * 9 + 8:,}", f"{BODY:,}"]


def test_bounds_are_marked(capsys: pytest.CaptureFixture[str]) -> None:
    """Without marks none is."""
    cost = measure_cost(graph_from(DOCUMENT))
    print_cost(cost, console(), {"macs.conventions.conv-linear": at_least("of a reason")})
    marked = read_rows(capsys)
    print_cost(cost, console(), {})
    plain = read_rows(capsys)
    assert next(row for row in marked if row[0] == "conv-linear")[1].startswith("≥")
    assert not any("≥" in cell for row in plain for cell in row)
