"""What is printed of unravelled networks: equations, counts, and the first and last of many definitions."""

from __future__ import annotations

from typing import Any

import pytest

from archspec.api import elaborate, load
from archspec.cli.tables.unravel import MAX_LINES, print_unravelling
from compiler.analysis.paths.unravel import unravel
from compiler.graph import Graph
from tests.support.documents import graph_from


def chain(blocks: int) -> Graph:
    network = [{"repeat": {"n": blocks, "body": [{"residual": {"body": ["relu", {"linear": 3}]}}]}}]
    return graph_from({"archspec": 1, "name": "chain", "inputs": {"x": [3]}, "network": network})


def test_equation_11_4_and_its_paths(capsys: pytest.CaptureFixture[str]) -> None:
    """Prince, 2023."""
    print_unravelling(unravel(chain(2), derivative="f1"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["chain", "y1 = x + f1[x]", "y2 = y1 + f2[y1]"]
    assert "4 paths to output; the last joint has 3 terms" in lines
    assert lines[lines.index("∂y2/∂f1 = I + ∂f2/∂f1") + 1] == "2 terms"
    assert [line.split() for line in lines[-2:]] == [
        ["f1", "repeat_0.i0.residual_0.body.linear_0"],
        ["f2", "repeat_0.i1.residual_0.body.linear_0"],
    ]


@pytest.mark.parametrize("blocks", [MAX_LINES, MAX_LINES + 1])
def test_of_many_definitions_the_first_and_the_last_are_printed(
    blocks: int, capsys: pytest.CaptureFixture[str]
) -> None:
    print_unravelling(unravel(chain(blocks)))
    text = capsys.readouterr().out
    assert (f"… {blocks - MAX_LINES} more; --json has all" in text) == (blocks > MAX_LINES)
    assert text.count(" = y") + text.count("y1 = x") >= MAX_LINES - 1
    assert f"{2**blocks:,} paths to output" in text


def fork(branches: list[Any]) -> Graph:
    return graph_from({"archspec": 1, "inputs": {"x": [4]}, "network": [{"add": branches}, "relu"]})


def count_ways(graph: Graph, output: str) -> int:
    """The witness: every way back from an output, one by one."""
    waiting, found = [graph.outputs[output]], 0
    while waiting:
        node = graph[waiting.pop()]
        waiting += node.data_inputs
        found += not node.data_inputs
    return found


@pytest.mark.parametrize("name", ["se_net", "residual_mlp", "fork"])
def test_both_counts_of_paths_are_said(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A function is one way, whatever branches within it; operation by operation there are more."""
    branches = [[], [{"add": [["relu"], ["tanh"], []]}, {"linear": 4}], ["sigmoid"]]
    graph = fork(branches) if name == "fork" else elaborate(load(name))
    result = unravel(graph)
    print_unravelling(result)
    said = capsys.readouterr().out
    for expression in result.expressions:
        assert expression.operation_paths == count_ways(graph, expression.output)
        both = f"{expression.operation_paths} through operations, as analyze counts"
        assert (both in said) == (expression.paths != expression.operation_paths)
    assert ("through operations" in said) == (name == "se_net")
