"""What an operation is taken for that says nothing but its shape."""

from __future__ import annotations

from fractions import Fraction

import pytest
from pydantic import ValidationError

from archspec.ops import OPS, Bounds, Conv, Layer, Op, Relu, Shape
from archspec.ops.base import Pointwise
from archspec.ops.fields import Positive
from archspec.ops.values import Layout, Saved

X = Shape(4, 6, 6)


class HalfSize(Layer):
    """Every second position."""

    step: Positive = 2

    def infer(self, x: Shape) -> Shape:
        return Shape(x.channels, *(size // self.step for size in x.space))


def test_its_word_is_its_name_in_snake_case() -> None:
    assert HalfSize.kind == HalfSize().word == "half_size"
    assert len({op.kind for op in OPS}) == len(OPS)


def test_it_costs_and_stores_nothing() -> None:
    op = HalfSize()
    assert (op.weights(X), op.macs(X), op.bias_adds(X), op.elementwise(X)) == ({}, 0, 0, 0)
    assert op.saved_for_backward(X, batch=2, needs=(True,)) == Saved()
    assert not op.is_view(X, training=True)
    assert op.live_taps(X) == ()
    assert op.lay([Layout(channels_last=True)], X, batch=2) == Layout(channels_last=True)


def test_nothing_is_known_of_it() -> None:
    """Each default is the answer by which nobody does anything."""
    op = HalfSize()
    assert op.bound(Bounds(1.0, 2.0)) == Bounds()
    assert op.moments(X) is None
    assert op.changes_nothing(X) == ""
    assert op.at_inference() is op
    traits = (op.commutes(flips=False, adds=False), op.passes_terms, op.keeps_zeros, op.joins, op.has_kernel)
    assert not any(traits)
    assert (op.gating, op.family, op.identity_on) == ("none", "other", None)


def test_each_position_reads_its_own() -> None:
    assert HalfSize().stride_fraction(0) == Fraction(1)
    (places,) = HalfSize().input_span(0, (3, 5), X)
    assert places is not None
    assert [list(one) for one in places] == [[3, 4, 5]]


def test_what_it_saves_follows_from_its_class() -> None:
    assert Relu().saved_for_backward(X, batch=2, needs=(True,)) == Saved(result=True)
    assert Pointwise.saves == "nothing"


def test_facts_are_fields_and_chosen_ones_differ_from_the_default() -> None:
    assert Conv(out=8, stride=2).chosen == {"out": 8, "stride": 2}
    assert Conv(out=8).facts["kernel"] == 3


def test_operations_are_values() -> None:
    assert HalfSize(step=3) == HalfSize(step=3) != HalfSize()
    with pytest.raises(ValidationError, match="frozen"):
        HalfSize().step = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="Extra inputs"):
        HalfSize(steps=3)  # type: ignore[call-arg]


def test_an_operation_without_a_shape_rule_is_none() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Op()  # type: ignore[abstract]
