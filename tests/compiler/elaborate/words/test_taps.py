"""Taps, what takes them up, and outputs, read off the graph."""

from __future__ import annotations

from tests.archspec.spec.texts import HEAD, graph_of, mistakes_of
from tests.support.listing import listed


def test_tap_is_taken_up_by_its_name() -> None:
    assert listed("[conv: 3, tap: a, relu, from: a, tanh]")[-1] == "tanh_0 = tanh(conv_0) 3×8×8"


def test_labels_are_filled_by_expressions() -> None:
    rows = listed('[repeat: {n: 2, body: [conv: 3 + i, tap: "f{i}"]}, from: f0, tanh]')
    assert rows[-1] == "tanh_0 = tanh(repeat_0.i0.conv_0) 3×8×8"


def test_tap_that_nothing_sets() -> None:
    (mistake,) = mistakes_of(HEAD + "network: [tap: abc, from: abd]\n")
    assert mistake.message == "unknown tap 'abd'; did you mean 'abc'?"


def test_outputs_have_their_names_in_order() -> None:
    graph = graph_of(HEAD + "network: [output: b, relu, output: a]\n")
    assert dict(graph.outputs) == {"b": "x", "a": "relu_0"}
