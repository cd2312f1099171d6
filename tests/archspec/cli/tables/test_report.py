"""The summary of an analysis, and which parts follow it."""

from __future__ import annotations

from typing import Any

import pytest

from archspec.api import analyze
from archspec.cli.tables.report import print_report
from compiler.graph import Graph
from tests.support.documents import graph_from
from tests.support.tables import read_rows


def net(**more: Any) -> Graph:
    network = [{"conv": 8}, "batch_norm", "relu", "global_avg_pool", "flatten", {"linear": 10}]
    return graph_from({"archspec": 1, "name": "net", "inputs": {"x": [3, 16, 16]}, "network": network, **more})


def test_the_summary_has_exact_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """By hand: 3·8·9 + 8, two for each channel, 8·10 + 10; and as many buffers as channels twice."""
    print_report(analyze(net()), batch=2)
    rows = read_rows(capsys)
    assert rows[0] == ["net"]
    assert ["input x", "3×16×16"] in rows
    assert ["output output", "10"] in rows
    assert ["parameters", "330", "trainable, 330"] in rows
    assert next(row for row in rows if row[0] == "buffers")[1] == "16"
    assert next(row for row in rows if row[0] == "MACs")[1] == f"{3 * 8 * 9 * 256 + 80:,}"
    assert next(row for row in rows if row[0] == "activations")[2].endswith(" in fp32 for 2 samples")
    assert ["paths", "1", "ways from the inputs to the outputs"] in rows


def test_huge_counts_of_paths_are_exact_or_say_that_digits_are_missing(capsys: pytest.CaptureFixture[str]) -> None:
    block = {"add": [[{"conv": 8}], [{"conv": 8}], [{"conv": 8}]]}
    for blocks, text in ((40, f"{3**40:,}"), (200, "2.656… · 10^95")):
        document = {"archspec": 1, "inputs": {"x": [8, 2, 2]}, "network": [{"repeat": {"n": blocks, "body": [block]}}]}
        print_report(analyze(graph_from(document), by_length=False))
        assert ["paths", text, "ways from the inputs to the outputs"] in read_rows(capsys)


@pytest.mark.parametrize("wanted", [(), ("receptive_field",), ("memory", "variance", "lint")])
def test_what_was_asked_for_follows_and_nothing_else(
    wanted: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    heads = {
        "receptive_field": "\nreceptive field\n",
        "memory": "\nmemory for ",
        "variance": "\nsignal at initialization",
        "lint": "\nlint: ",
    }
    print_report(analyze(net(), wanted=wanted))
    text = capsys.readouterr().out
    assert {part for part, head in heads.items() if head in text} == {*wanted}
