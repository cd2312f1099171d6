"""Words that choose an operation for a whole network."""

from __future__ import annotations

import pytest

from archspec.errors import SpecError
from archspec.ops import ACTIVATIONS, Gelu, LeakyRelu, Relu, Silu
from archspec.spec.choices import ActivationNode, NormNode
from tests.archspec.spec.texts import graph_of

HEAD = "archspec: 1\ninputs: {x: [8, 6]}\n"


def test_every_activation_may_be_chosen() -> None:
    for kind in (*ACTIVATIONS, "none"):
        assert ActivationNode.model_validate({"kind": kind}).given == {"kind": kind}
    assert {name for op in ACTIVATIONS.values() for name in op.model_fields} < set(ActivationNode.settings)
    assert "slope" not in NormNode.settings


def test_one_place_chooses_for_the_network() -> None:
    body = "network: [activation, conv: 8, activation: {kind: leaky_relu, slope: 0.2}, activation: gelu]\n"
    plain = graph_of(HEAD + body)
    chosen = graph_of(HEAD + "defaults: {activation: {kind: silu}}\n" + body)
    assert [node.op for node in plain if node.id.startswith("act")] == [Relu(), LeakyRelu(slope=0.2), Gelu()]
    assert [node.op for node in chosen if node.id.startswith("act")] == [Silu(), LeakyRelu(slope=0.2), Gelu()]


def test_none_leaves_nothing() -> None:
    graph = graph_of(HEAD + "defaults: {activation: {kind: none}}\nnetwork: [conv: 8, activation]\n")
    assert [node.id for node in graph] == ["x", "conv_0"]


def test_a_field_of_another_kind_is_an_error() -> None:
    with pytest.raises(SpecError, match="activation of kind gelu has no field 'slope'"):
        graph_of(HEAD + "network: [activation: {kind: gelu, slope: 0.1}]\n")


def test_an_argument_of_its_name_is_meant_in_its_block() -> None:
    block = "blocks: {unit: {args: {activation: block}, body: [activation]}}\n"
    graph = graph_of(HEAD + block + "network: [unit: {activation: [gelu]}, activation]\n")
    assert [node.op for node in graph][1:] == [Gelu(), Relu()]
    with pytest.raises(SpecError, match="'norm' is a word of the language already; rename the argument"):
        graph_of(HEAD + block.replace("activation", "norm") + "network: [relu]\n")
