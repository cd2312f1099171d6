"""Nodes of layers: their fields are those of the operation, and numbers may be expressions."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from archspec.ops import LAYERS, NORMALIZATIONS
from archspec.spec.choices import NormNode
from archspec.spec.expressions import Expression
from archspec.spec.layers import describe_values, layer_node, node_of, overlay


@pytest.mark.parametrize("kind", LAYERS)
def test_a_node_has_the_fields_of_its_operation(kind: str) -> None:
    model = layer_node(kind)
    assert (model.word, model.op) == (kind, LAYERS[kind])
    assert set(model.settings) == set(LAYERS[kind].model_fields)
    assert set(model.model_fields) == {"name", "share", *LAYERS[kind].model_fields}
    assert model is node_of(LAYERS[kind])


def test_a_number_may_be_an_expression_and_a_word_may_not() -> None:
    node = layer_node("conv").model_validate({"out": "2 * width", "padding": "same", "init": "zeros"})
    assert node.given == {"out": Expression.parse("2 * width"), "padding": "same", "init": "zeros"}
    with pytest.raises(ValidationError, match="should be"):
        layer_node("conv").model_validate({"init": "2 * width"})


def test_entries_of_a_list_may_be_expressions() -> None:
    """They have a value when the body is elaborated; a list of numbers alone is held against the field's type."""
    assert layer_node("upsample").model_validate({"scale": [1, 2]}).given == {"scale": (1, 2)}
    node = layer_node("upsample").model_validate({"scale": [1, "s"]})
    assert node.given == {"scale": [1, Expression.parse("s")]}
    for wrong in ([0, 2], [1, 2, 3, 4], ["s"] * 5, [[1, 2]]):
        with pytest.raises(ValidationError, match="should "):
            layer_node("upsample").model_validate({"scale": wrong})


def test_fields_keep_their_bounds() -> None:
    assert layer_node("conv").model_validate({"kernel": 3}).given == {"kernel": 3}
    with pytest.raises(ValidationError, match="greater than"):
        layer_node("conv").model_validate({"kernel": 0})


def test_what_is_not_given_is_no_setting() -> None:
    """So that `defaults` may give it."""
    assert layer_node("conv").model_validate({}).given == {}


def test_a_norm_has_the_fields_of_every_kind() -> None:
    assert {name for op in NORMALIZATIONS.values() for name in op.model_fields} < set(NormNode.settings)
    for kind in (*NORMALIZATIONS, "weight", "none"):
        assert NormNode.model_validate({"kind": kind}).given == {"kind": kind}
    with pytest.raises(ValidationError):
        NormNode.model_validate({"kind": "batch_norm"})


@pytest.mark.parametrize(
    ("kind", "field", "words"),
    [
        ("conv", "out", "a whole number"),
        (
            *("conv", "padding"),
            "`same`, `same_end`, `causal` or a whole number, or a list with one for each spatial axis",
        ),
        ("conv", "bias", "true or false"),
        ("dropout", "rate", "a number"),
        ("upsample", "mode", "`nearest`, `linear` or `cubic`"),
        ("upsample", "scale", "a number, or a list with one for each spatial axis"),
    ],
)
def test_what_a_field_takes_in_words(kind: str, field: str, words: str) -> None:
    assert describe_values(LAYERS[kind], field) == words


def test_settings_overlay_each_other_field_by_field() -> None:
    assert overlay({"eps": 1, "groups": 2}, {"eps": 3}) == {"eps": 3, "groups": 2}
    assert overlay({"kind": "group", "groups": 2}, {"kind": "group", "eps": 3}) == {
        "kind": "group",
        "groups": 2,
        "eps": 3,
    }
    assert overlay({"kind": "group", "groups": 2}, {"kind": "layer"}) == {"kind": "layer"}
