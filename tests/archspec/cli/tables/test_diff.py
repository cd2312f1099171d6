"""What is printed of a difference: exact numbers of any size, and layers with their fields."""

from __future__ import annotations

from typing import Any

import pytest

from archspec.cli.tables.diff import print_diff
from compiler.analysis.compare.diff import diff_graphs
from compiler.graph import Graph
from tests.support.documents import graph_from
from tests.support.tables import read_rows


def net(name: str, *network: Any) -> Graph:
    return graph_from({"archspec": 1, "name": name, "inputs": {"x": [4, 8, 8]}, "network": list(network)})


def chain(blocks: int) -> Graph:
    return net(f"c{blocks}", {"repeat": {"n": blocks, "body": [{"residual": {"body": [{"conv": 4}]}}]}})


def test_equal_networks(capsys: pytest.CaptureFixture[str]) -> None:
    print_diff(diff_graphs(net("a", {"conv": 8}), net("a", {"conv": 8})))
    assert capsys.readouterr().out.startswith("no difference: both have the same 2 nodes")


def test_a_changed_field_is_told_with_what_it_costs(capsys: pytest.CaptureFixture[str]) -> None:
    """Kernels by hand: 4·8·9 + 8 weights are 4·8·25 + 8."""
    print_diff(diff_graphs(net("a", {"conv": 8}), net("b", {"conv": {"out": 8, "kernel": 5}})))
    rows = read_rows(capsys)
    assert ["parameters", "296", "808", "+512", "2.73×"] in rows
    assert any(row[:2] == ["~ conv_0", "kernel 3 → 5"] for row in rows)


def test_layers_on_one_side_are_named_by_kind_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    body = ({"conv": 8}, {"conv": {"out": 8, "kernel": 1, "name": "last"}})
    print_diff(diff_graphs(net("a", body[0]), net("b", *body)))
    (added,) = [row for row in read_rows(capsys) if row[0].startswith("+ ")]
    assert added[:2] == ["+ last", "conv, out=8, kernel=1"]


@pytest.mark.parametrize(
    ("blocks", "paths"),
    [
        ((3, 5), ["paths", "8", "32", "+24", "4×"]),
        ((60, 62), ["paths", f"{2**60:,}", f"{2**62:,}", f"+{3 * 2**60:,}", "4×"]),
        ((300, 600), ["paths", "2^300", "2^600", "+4.149… · 10^180", "2^300×"]),
    ],
)
def test_counts_of_paths_are_exact_or_say_that_digits_are_missing(
    blocks: tuple[int, int], paths: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    print_diff(diff_graphs(chain(blocks[0]), chain(blocks[1])))
    assert paths in read_rows(capsys)
    print_diff(diff_graphs(chain(blocks[1]), chain(blocks[0])))
    (row,) = [row for row in read_rows(capsys) if row[0] == "paths"]
    assert row[3] == paths[3].replace("+", "-")
