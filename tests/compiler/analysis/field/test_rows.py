"""Rows of tokens between maps: what is found with them is what is found without, and what gradients show."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from compiler.analysis.field.receptive_field import measure_receptive_field
from compiler.analysis.field.rows import lay_out_rows
from compiler.analysis.lint import lint_graph
from compiler.graph import Graph
from tests.differential.documents import write_document
from tests.support.documents import graph_from
from tests.support.fields import look, only_field

BEFORE: list[Any] = [{"conv": {"out": 4, "stride": 2}}, {"tap": "m"}]
AFTER: list[Any] = [{"conv": {"out": 2, "kernel": [1, 3]}}]
POINT: Any = {"conv": {"out": 4, "kernel": 1}}
TOKENS: list[Any] = ["tokens"]
BACK: list[Any] = [{"map": {"like": "m"}}]
GATE: Any = {"mul": [[], ["global_avg_pool", POINT, "sigmoid"]]}
TOKEN: Any = {"concat": {"axis": 1, "branches": [[{"learned": [4, 2]}], []]}}
FEWER: list[Any] = [{"from": "m"}, {"conv": {"out": 4, "kernel": 2, "stride": 2, "padding": 0}}]
LAST: Any = {"concat": {"axis": 1, "branches": [[], [{"learned": [4, 1]}]]}}

IN_PLACE: dict[str, list[Any]] = {
    "pointwise": [POINT, "gelu", {"residual": {"body": ["relu", POINT]}}],
    "channels": [{"layer_norm": {"over": "channels"}}, {"slice": {"stop": 3}}, {"pad_channels": 4}],
    "attention": [{"residual": {"body": [{"attend": {"heads": 2, "query": [POINT], "value": [POINT]}}]}}],
    "fewer keys": [{"residual": {"body": [{"attend": {"key": FEWER, "value": FEWER}}]}}],
    "fewer keys in a row": [{"attend": {"key": [*FEWER, "tokens"], "value": [*FEWER, "tokens"]}}],
    "order": [{"attend": {"causal": True}}],
    "gate": [GATE],
    "statistics": ["instance_norm", {"scale": {"trainable": True, "per": "channel"}}],
}
"""What acts on a row as it acts on a map."""


def build(network: list[Any], shape: tuple[int, ...] = (1, 24, 20)) -> Graph:
    return graph_from({"archspec": 1, "inputs": {"x": [*shape]}, "network": network})


@pytest.mark.parametrize("body", IN_PLACE.values(), ids=IN_PLACE)
@pytest.mark.parametrize("shape", [(1, 24, 20), (1, 12, 8, 10), (1, 40)], ids=str)
def test_on_a_row_is_seen_what_is_seen_on_the_map(body: list[Any], shape: tuple[int, ...]) -> None:
    after = [{"conv": {"out": 2}}]
    row = measure_receptive_field(build(BEFORE + TOKENS + body + BACK + after, shape))
    plain = measure_receptive_field(build(BEFORE + body + after, shape))
    assert only_field(row).to_dict() == only_field(plain).to_dict()
    assert row.misaligned == plain.misaligned == ()
    assert row.marks == plain.marks == {}
    assert len(row.everywhere) == len(plain.everywhere)


@pytest.mark.parametrize(
    "body",
    [
        *IN_PLACE.values(),
        [TOKEN, POINT, {"slice": {"axis": 1, "start": 2}}],
        [TOKEN, LAST, {"residual": {"body": ["attend", POINT]}}, {"slice": {"axis": 1, "start": 2, "stop": -1}}],
        [{"shift": {"trainable": True, "per": "position"}}, {"add": [[], [{"learned": [4, 120]}]]}],
        [{"residual": {"body": ["transpose", {"conv": {"out": 120, "kernel": 1}}, "transpose"]}}],
        [{"residual": {"body": ["global_avg_pool", POINT, {"upsample": 120}]}}],
    ],
    ids=str,
)
def test_what_a_row_sees_is_what_gradients_show(body: list[Any]) -> None:
    """The control: one position less along either axis is never what they show."""
    graph = build(BEFORE + TOKENS + body + BACK + AFTER)
    found = only_field(measure_receptive_field(graph))
    if any(getattr(node.op, "causal", False) for node in graph):  # it is said to see what comes after, too
        return
    (seen,) = look(graph, found.field.node, [(5, 4)])
    assert found.clipped == tuple(seen["x"])
    assert found.field.local == (3, 7)
    assert measure_receptive_field(graph).misaligned == ()


def test_a_row_that_is_a_result_has_the_field_of_its_map() -> None:
    graph = build([*BEFORE, "tokens", POINT])
    found = only_field(measure_receptive_field(graph))
    assert (found.field.node, found.field.size) == ("conv_1", (3, 3))
    (seen,) = look(graph, "conv_1", [(5 * 10 + 4,)])
    assert found.clipped == tuple(seen["x"])


ADRIFT: dict[str, list[Any]] = {
    "along": [{"conv": {"out": 4}}],
    "part": [{"slice": {"axis": 1, "start": 60}}, {"concat": {"axis": 1, "branches": [[], []]}}],
    "turned": ["transpose", "relu", "transpose"],
    "other rows": [{"map": {"like": "wide"}}, "relu", "tokens"],
}
"""What reads a row as no map has it."""


@pytest.mark.parametrize("body", ADRIFT.values(), ids=ADRIFT)
def test_what_has_no_place_on_the_map_is_seen_at_most(body: list[Any]) -> None:
    wide: list[Any] = [{"from": "z"}, {"tap": "wide"}, {"from": "x"}, *BEFORE, *TOKENS]
    inputs = {"x": [1, 24, 20], "z": [1, 6, 20]}
    graph, beside = (
        graph_from({"archspec": 1, "inputs": inputs, "network": [*wide, *rows, *BACK, *AFTER]})
        for rows in (body, [{"residual": {"body": body}}])
    )
    found = only_field(measure_receptive_field(beside))
    assert found.marks["size"].why.startswith("some values read rows of tokens as no map has them")
    assert found.field.local == (3, 7)
    for each in (graph, beside):
        assert measure_receptive_field(each).adrift
        assert not any(finding.code == "unproductive-conv" for finding in lint_graph(each))
        (seen,) = look(each, each.outputs["output"], [(5, 4)])
        assert seen["x"] != [(0, 23), (0, 19)]
    assert all(
        low <= first and last <= high for (low, high), (first, last) in zip(found.clipped or (), seen["x"], strict=True)
    )


def test_a_row_of_another_input_has_no_place_on_the_map() -> None:
    inputs = {"x": [1, 24, 20], "y": [4, 120]}
    network = [*BEFORE, "tokens", {"add": [[], [{"from": "y"}]]}, *BACK, *AFTER]
    found = measure_receptive_field(graph_from({"archspec": 1, "inputs": inputs, "network": network}))
    assert found.adrift == {"add_0.add", "map_0"}


def test_without_rows_a_graph_stays_as_it_is() -> None:
    graph = build([*BEFORE, POINT])
    assert lay_out_rows(graph).graph is graph


def test_a_convolution_behind_attention_on_a_row_sees_the_map() -> None:
    """Lint goes by the same readings: with rows it says what it says without."""
    wide: list[Any] = [{"conv": {"out": 4, "kernel": 25}}]
    for body in (["relu"], ["tokens", "relu", {"map": {"like": "m"}}]):
        for before, count in ((BEFORE, 0), (BEFORE[:1] + wide + BEFORE[1:], 1)):
            graph = build(before + body + [{"conv": {"out": 2}}])
            assert sum(found.code == "unproductive-conv" for found in lint_graph(graph)) == count


def test_a_row_may_lend_its_extents_alone() -> None:
    """A random network in which what is no row is padded to the extents of one, which failed."""
    graph = graph_from(write_document(Random(600)))
    assert any(node.op.kind == "pad_space" for node in graph)
    assert measure_receptive_field(graph).outputs
