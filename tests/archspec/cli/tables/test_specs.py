"""The tree of layers: scopes, fields, equal neighbours, and sums that are the whole."""

from __future__ import annotations

import pytest

from archspec.cli.tables.specs import print_tree, print_zoo
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.outline import fold_tree
from tests.support.documents import graph_from
from tests.support.tables import read_rows

DOCUMENT = {
    "archspec": 1,
    "name": "net",
    "inputs": {"x": [4, 8, 8]},
    "network": [
        {"conv": {"out": 4, "kernel": 5, "name": "stem"}},
        {"repeat": {"n": 3, "body": [{"residual": {"body": [{"conv": 4}, "relu"]}}]}},
    ],
}


def test_layers_stand_with_their_fields_and_equal_neighbours_once(capsys: pytest.CaptureFixture[str]) -> None:
    graph = graph_from(DOCUMENT)
    print_tree(graph, fold_tree(graph))
    rows = read_rows(capsys)
    assert ["stem", "conv", "out=4, kernel=5", "4×8×8", "404", "25,600"] in rows
    assert [row[:2] for row in rows if "×3" in row] == [["i0.residual_0", "×3"]]
    cost = measure_cost(graph)
    assert ["total", f"{cost.parameters:,}", f"{cost.macs['conv-linear']:,}"] in rows


@pytest.mark.parametrize(("depth", "shown"), [(1, {"stem"}), (2, {"stem", "i0.residual_0"})])
def test_scopes_that_are_farther_in_are_left_out(
    depth: int, shown: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    graph = graph_from(DOCUMENT)
    print_tree(graph, fold_tree(graph), depth)
    names = {row[0] for row in read_rows(capsys)}
    assert shown <= names
    assert "conv_0" not in names


def test_the_zoo_is_a_row_for_each_spec(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"name": "net", "family": "nets", "inputs": {"x": (3, 8, 8)}, "parameters": 25_557_032, "macs": 4 * 10**9}
    print_zoo([{**row, "source": "someone, 2020", "description": "A net."}])
    rows = read_rows(capsys)
    assert rows[1] == ["net", "nets", "3×8×8", "25.6 M", "4.00 G", "someone, 2020"]
    print_zoo([{**row, "source": "someone, 2020", "description": "A net."}], descriptions=True)
    assert read_rows(capsys)[1][-1] == "A net."


def test_shared_weights_are_told_where_they_are_used(capsys: pytest.CaptureFixture[str]) -> None:
    shared = {"conv": {"out": 4, "share": "w"}}
    graph = graph_from({"archspec": 1, "inputs": {"x": [4, 8, 8]}, "network": [shared, "relu", shared, {"conv": 4}]})
    tree = fold_tree(graph)
    print_tree(graph, tree)
    assert [row for row in read_rows(capsys) if "weights of w" in row] == [
        ["conv_0", "out=4", "weights of w", "4×8×8", "148", "9,216"],
        ["conv_1", "out=4", "weights of w", "4×8×8", "9,216"],
    ]
    assert [child.get("weights_of") for child in tree.to_dict()["children"]] == [None, "w", None, "w", None]
