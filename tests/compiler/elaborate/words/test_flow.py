"""Loops and choices, read off the graph."""

from __future__ import annotations

import pytest

from archspec.ops import Conv
from tests.archspec.spec.texts import HEAD, graph_of, shapes
from tests.support.listing import listed, listing


def test_dense_concatenates_its_body_each_turn() -> None:
    graph = graph_of(HEAD + "network: [dense: {n: 2, body: [conv: in_channels + i]}]\n")
    assert listing(graph) == [
        "dense_0.i0.body.conv_0 = conv(x) 4×8×8",
        "dense_0.i0.concat = concat(x, dense_0.i0.body.conv_0) 8×8×8",
        "dense_0.i1.body.conv_0 = conv(dense_0.i0.concat) 9×8×8",
        "dense_0.i1.concat = concat(dense_0.i0.concat, dense_0.i1.body.conv_0) 17×8×8",
    ]
    assert [node.body for node in graph if node.body] == ["dense_0.i0", "dense_0.i1"]


def test_dense_over_lists() -> None:
    rows = listed("[dense: {each: {growth: [1, 2]}, as: layer, body: [conv: growth]}]")
    assert [row.rpartition(" ")[2] for row in rows] == ["1×8×8", "5×8×8", "2×8×8", "7×8×8"]
    assert rows[0].startswith("dense_0.layer0.body.conv_0 = ")


def test_repeat_unrolls() -> None:
    assert listed("[repeat: {n: 2, body: [conv: 3 + i, relu]}]") == [
        "repeat_0.i0.conv_0 = conv(x) 3×8×8",
        "repeat_0.i0.relu_0 = relu(repeat_0.i0.conv_0) 3×8×8",
        "repeat_0.i1.conv_0 = conv(repeat_0.i0.relu_0) 4×8×8",
        "repeat_0.i1.relu_0 = relu(repeat_0.i1.conv_0) 4×8×8",
    ]


@pytest.mark.parametrize("loop", ["n: 0", "each: {a: []}", "n: 1 - 1", "each: {a: none}"])
def test_loop_of_no_turns_is_the_identity(loop: str) -> None:
    head = HEAD + "params: {none: []}\n"
    assert listed(f"[repeat: {{{loop}, body: [conv: 9]}}, relu]", head) == ["relu_0 = relu(x) 4×8×8"]
    assert listed(f"[dense: {{{loop}, body: [conv: 9]}}, relu]", head) == ["relu_0 = relu(x) 4×8×8"]


def test_each_runs_lists_side_by_side() -> None:
    head = HEAD + "params: {widths: [5, 6], deep: [[1, 2], [3]]}\n"
    network = "[repeat: {each: {w: widths, k: [1, 2 + 1], inner: deep}, as: s, body: [conv: {out: w + s, kernel: k}, \
repeat: {each: {v: inner}, body: [conv: v]}]}]"
    assert [
        row.replace(" = conv", "").split("(")[0] + " " + row.rpartition(" ")[2] for row in listed(network, head)
    ] == [
        "repeat_0.s0.conv_0 5×8×8",
        "repeat_0.s0.repeat_0.i0.conv_0 1×8×8",
        "repeat_0.s0.repeat_0.i1.conv_0 2×8×8",
        "repeat_0.s1.conv_0 7×8×8",
        "repeat_0.s1.repeat_0.i0.conv_0 3×8×8",
    ]
    graph = graph_of(f"{head}network: {network}\n")
    assert [node.op.kernel for node in graph if isinstance(node.op, Conv)] == [1, 3, 3, 3, 3]


@pytest.mark.parametrize("name", ["name", "self", "path", "taps", "depth", "names", "node", "_"])
def test_loop_names_may_be_any(name: str) -> None:
    assert shapes(graph_of(HEAD + f"network: [repeat: {{each: {{{name}: [5]}}, body: [conv: {name}]}}]\n")) == {
        "repeat_0.i0.conv_0": "5×8×8"
    }
    assert shapes(graph_of(HEAD + f"network: [repeat: {{n: 1, as: {name}, body: [conv: 5 + {name}]}}]\n")) == {
        f"repeat_0.{name}0.conv_0": "5×8×8"
    }


@pytest.mark.parametrize(
    ("test", "word"),
    [("true", "relu"), ("false", "tanh"), ("1 < 2", "relu"), ("in_channels == 5", "tanh"), ("on and not off", "relu")],
)
def test_when_is_decided_while_compiling(test: str, word: str) -> None:
    head = HEAD + "params: {'on': true, 'off': false}\n"
    assert listed(f"[when: {{test: {test}, then: [relu], else: [tanh]}}]", head) == [
        f"when_0.{word}_0 = {word}(x) 4×8×8"
    ]


def test_when_without_else_is_the_identity() -> None:
    assert listed("[when: {test: false, then: [conv: 9]}, relu]") == ["relu_0 = relu(x) 4×8×8"]


def test_what_is_not_taken_may_be_impossible() -> None:
    assert listed("[when: {test: false, then: [linear: nowhere, from: nothing]}]") == []
