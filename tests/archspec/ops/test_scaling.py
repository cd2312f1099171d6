"""Factors and terms: what they store, and what they make of moments."""

from __future__ import annotations

import pytest

from archspec.ops import Bounds, Scale, Shape, Shift
from archspec.ops.signal.moments import standard, unit_gradient
from archspec.ops.values import Saved

X = Shape(4, 5)


@pytest.mark.parametrize(("op", "name"), [(Scale, "factor"), (Shift, "term")])
def test_what_is_learned_is_one_number_or_one_for_each_channel(op: type[Scale] | type[Shift], name: str) -> None:
    assert op(value=2).weights(X) == {}
    single = op(value=2, trainable=True).weights(X)[name]
    assert (single.shape, single.init) == ((), 2)
    assert op(trainable=True, per="channel").weights(X)[name].shape == (4,)


@pytest.mark.parametrize(
    ("op", "wider"),
    [(Scale(trainable=True, per="channel"), True), (Scale(trainable=True), False), (Shift(per="channel"), False)],
)
def test_numbers_for_channels_take_part_in_full(op: Scale | Shift, wider: bool) -> None:
    assert op.casting(X) == ("promoted" if wider else "widest")


def test_a_learned_factor_needs_its_operand() -> None:
    assert Scale(trainable=True).saved_for_backward(X, batch=2, needs=(True,)) == Saved((0,))
    assert Scale(value=2).saved_for_backward(X, batch=2, needs=(True,)) == Saved()


def test_moments_are_those_of_a_normal_value() -> None:
    """2 x - 3 of a standard normal x: its mean is -3, its second moment 4 + 9, and two samples share 9."""
    found = Shift(value=-3).moments(Scale(value=2).moments(standard(X))).whole
    assert found == pytest.approx((-3, 13, 9))
    (gradient,) = Scale(value=2).gradients(unit_gradient(X), standard(X))
    assert gradient.second == 4


def test_bounds_are_known_of_what_is_not_learned() -> None:
    given = Bounds(-1.0, 2.0)
    assert Scale(value=-2).bound(given) == (-4, 2)
    assert Shift(value=3).bound(given) == (2, 5)
    assert Scale(value=-2, trainable=True).bound(given) == Shift(trainable=True).bound(given) == Bounds()


def test_one_and_zero_change_nothing_where_they_are_given() -> None:
    assert Scale().changes_nothing(X) == Shift().changes_nothing(X) == "it multiplies by one or adds zero"
    for op in (Scale(trainable=True), Shift(trainable=True), Scale(value=0.5), Shift(value=1)):
        assert not op.changes_nothing(X)
