"""Residuals, read off the graph: a graph is listed as `id = operation(operands) shape`."""

from __future__ import annotations

import pytest

from archspec.ops import Scale, StochasticDepth
from tests.archspec.spec.texts import HEAD, codes, graph_of, mistakes_of
from tests.support.listing import listed, listing


def test_residual_adds_its_body_to_its_input() -> None:
    graph = graph_of(HEAD + "network: [residual: {body: [relu, conv: 4]}]\n")
    assert listing(graph) == [
        "residual_0.body.relu_0 = relu(x) 4×8×8",
        "residual_0.body.conv_0 = conv(residual_0.body.relu_0) 4×8×8",
        "residual_0.add = add(x, residual_0.body.conv_0) 4×8×8",
    ]
    assert graph["residual_0.add"].body == "residual_0"


def test_empty_residual_doubles_its_input() -> None:
    assert listed("[residual: {body: []}]") == ["residual_0.add = add(x, x) 4×8×8"]


def test_project_is_used_only_where_shapes_differ() -> None:
    same, other = "[residual: {body: [conv: 4], project: [tanh]}]", "[residual: {body: [conv: 6], project: [conv: 6]}]"
    assert listed(same)[-1] == "residual_0.add = add(x, residual_0.body.conv_0) 4×8×8"
    assert listed(other)[1:] == [
        "residual_0.project.conv_0 = conv(x) 6×8×8",
        "residual_0.add = add(residual_0.project.conv_0, residual_0.body.conv_0) 6×8×8",
    ]


def test_shortcut_is_always_used() -> None:
    assert listed("[residual: {body: [conv: 4], shortcut: [tanh]}]")[1:] == [
        "residual_0.shortcut.tanh_0 = tanh(x) 4×8×8",
        "residual_0.add = add(residual_0.shortcut.tanh_0, residual_0.body.conv_0) 4×8×8",
    ]
    assert listed("[residual: {body: [conv: 4], shortcut: []}]")[1:] == [
        "residual_0.add = add(x, residual_0.body.conv_0) 4×8×8"
    ]


def test_project_is_used_where_shapes_differ_at_another_size() -> None:
    """At one position a stride changes nothing: the network must be that of every other size."""
    text = (
        "archspec: 1\ninputs: {x: [4, H]}\nsizes: {H: 8}\n"
        "network: [residual: {body: [conv: {out: 4, stride: 2}], project: [conv: {out: 4, kernel: 1, stride: 2}]}]\n"
    )
    usual, single = graph_of(text), graph_of(text, sizes={"H": 1})
    assert single.digest() == usual.resize({"H": 1}).digest()
    assert "residual_0.project.conv_0" in single.nodes
    fixed = graph_of(text.replace("[4, H]", "[4, 1]").replace("sizes: {H: 8}\n", ""))
    assert "residual_0.project.conv_0" not in fixed.nodes


@pytest.mark.parametrize("word", ["shortcut", "project"])
def test_out_channels_are_those_of_the_body(word: str) -> None:
    body = f"body: [conv: 6, relu, conv: 9], {word}: [conv: out_channels, conv: '2 * in_channels - out_channels']"
    rows = listed(f"[residual: {{{body}}}]")
    assert rows[3:5] == [
        f"residual_0.{word}.conv_0 = conv(x) 9×8×8",
        f"residual_0.{word}.conv_1 = conv(residual_0.{word}.conv_0) 9×8×8",
    ]


def test_out_channels_are_unknown_elsewhere() -> None:
    assert codes(mistakes_of(HEAD + "network: [conv: out_channels]\n")) == ["unknown-name"]
    assert codes(mistakes_of(HEAD + "network: [residual: {body: [conv: out_channels]}]\n")) == ["unknown-name"]


def test_scale_and_survival_act_on_the_body() -> None:
    graph = graph_of(HEAD + "network: [residual: {body: [relu], scale: 1 / 4, survival: 0.8}]\n")
    assert listing(graph) == [
        "residual_0.body.relu_0 = relu(x) 4×8×8",
        "residual_0.scale = scale(residual_0.body.relu_0) 4×8×8",
        "residual_0.survival = stochastic_depth(residual_0.scale) 4×8×8",
        "residual_0.add = add(x, residual_0.survival) 4×8×8",
    ]
    assert graph["residual_0.scale"].op == Scale(value=0.25)
    assert graph["residual_0.survival"].op == StochasticDepth(survival=0.8)


def test_in_channels_of_a_residuals_scale_are_those_of_its_input() -> None:
    graph = graph_of(HEAD + "network: [residual: {body: [conv: 8], project: [conv: 8], scale: 1 / in_channels}]\n")
    assert graph["residual_0.scale"].op == Scale(value=0.25)


def test_nested_residuals_keep_their_own_bodies() -> None:
    graph = graph_of(HEAD + "network: [residual: {body: [residual: {body: [relu]}]}]\n")
    assert {node.id: node.body for node in graph if node.body} == {
        "residual_0.body.residual_0.add": "residual_0.body.residual_0",
        "residual_0.add": "residual_0",
    }
