"""The table of receptive fields: sizes by hand, gaps, and merges whose operands look elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from archspec.cli.tables.console import console
from archspec.cli.tables.receptive_field import print_receptive_field
from compiler.analysis.field.receptive_field import measure_receptive_field
from tests.support.documents import graph_from
from tests.support.tables import read_rows


def rows_of(network: list[Any], capsys: pytest.CaptureFixture[str], shape: tuple[int, ...] = (3, 32, 32)) -> Any:
    graph = graph_from({"archspec": 1, "inputs": {"x": list(shape)}, "network": network})
    print_receptive_field(measure_receptive_field(graph), console())
    return {row[0]: row[1:] for row in read_rows(capsys)}


def test_two_convolutions_see_seven_positions(capsys: pytest.CaptureFixture[str]) -> None:
    """3 of the second, two apart, and 3 of the first around each: 3 + 2 · 2."""
    rows = rows_of([{"conv": {"out": 4, "stride": 2}}, {"conv": 4}], capsys)
    assert rows["size"][0] == "7 × 7"
    assert rows["stride"][0] == "2 × 2"
    assert "local size" not in rows


def test_gaps_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of([{"conv": {"out": 4, "dilation": 3}}], capsys)
    assert rows["size"][0] == "7 × 7"
    assert any(cells and cells[0].startswith("positions of these") for cells in rows.values())
    assert rows["9"] == ["positions of these: between the others lie gaps"]


def test_what_is_seen_through_a_whole_map_is_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    gate = {"mul": [["global_avg_pool", {"conv": {"out": 4, "kernel": 1}}, "sigmoid"], []]}
    rows = rows_of([{"conv": 4}, gate], capsys)
    assert rows["local size"][0] == "3 × 3"
    assert "sees a whole map" in rows


def test_vectors_have_no_field(capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of([{"linear": 2}], capsys, (4,))
    assert "output: its values have no spatial axes" in rows
