"""The fields of `deform_conv`: those of its operation, and expressions in them."""

from __future__ import annotations

from archspec.ops import DeformConv
from archspec.spec.body import STRUCTURE
from tests.archspec.spec.texts import HEAD, graph_of


def test_fields_are_those_of_the_operation() -> None:
    model = STRUCTURE["deform_conv"]
    assert set(model.settings) == {*DeformConv.model_fields}
    assert all(info.description for name, info in model.model_fields.items() if name != "name")


def test_fields_take_expressions() -> None:
    text = HEAD + "network: [deform_conv: {out: 2 * in_channels, kernel: [1, 1 + 2], offset: [conv: 6]}]\n"
    op = graph_of(text)["deform_conv_0.deform_conv"].op
    assert op.chosen == {"out": 8, "kernel": (1, 3)}
