"""The tables of --paths: binomial counts of residual blocks, exact at any size."""

from __future__ import annotations

from math import comb

import pytest

from archspec.cli.tables.console import console
from archspec.cli.tables.paths import print_paths
from archspec.wording import write_count
from compiler.analysis.paths.counting import count_paths
from compiler.graph import Graph
from tests.support.documents import graph_from
from tests.support.tables import read_rows


def chain(blocks: int) -> Graph:
    network = [{"repeat": {"n": blocks, "body": [{"residual": {"body": [{"linear": 4}]}}]}}]
    return graph_from({"archspec": 1, "inputs": {"x": [4]}, "network": network})


@pytest.mark.parametrize("blocks", [3, 60, 400])
def test_lengths_are_binomial(blocks: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Veit et al., 2016: of n blocks, C(n, k) paths pass through k."""
    print_paths(count_paths(chain(blocks), by_length=True), console())
    rows = read_rows(capsys)
    start = next(number for number, row in enumerate(rows) if row[0] == "length") + 1
    printed = [row[:2] for row in rows[start : start + blocks + 1]]
    assert printed == [[str(length), write_count(comb(blocks, length))] for length in range(blocks + 1)]


def test_half_of_all_paths_lead_through_each_block(capsys: pytest.CaptureFixture[str]) -> None:
    print_paths(count_paths(chain(5), by_length=True), console())
    through = [row for row in read_rows(capsys) if row[0].endswith(".residual_0")]
    assert [row[1:] for row in through] == [["16", "50.00%"]] * 5


def test_a_network_without_blocks_has_no_table_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    graph = graph_from({"archspec": 1, "inputs": {"x": [4]}, "network": [{"linear": 4}]})
    print_paths(count_paths(graph, by_length=True), console())
    assert "paths through each block" not in capsys.readouterr().out
