"""Differences, quotients and extremes: their bounds, what they keep, and what they make of shares of one value."""

from __future__ import annotations

from math import inf

import pytest

from archspec.ops import Add, Bounds, Div, Max, Merge, Min, OpError, Shape, Sub
from archspec.ops.signal.moments import standard
from archspec.ops.signal.sums import Ties
from archspec.ops.values import Saved

X, GATE = Shape(4, 6, 6), Shape(4, 1, 1)


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (Sub(), (-7, -1)),
        (Div(), (-1, 0.5)),
        (Max(), (2, 5)),
        (Min(), (-2, 1)),
    ],
    ids=str,
)
def test_bounds(op: Merge, expected: tuple[float, float]) -> None:
    assert op.bound(Bounds(-2.0, 1.0), Bounds(2.0, 5.0)) == expected


def test_a_divisor_that_may_be_zero_bounds_nothing() -> None:
    assert Div().bound(Bounds(1.0, 2.0), Bounds(0.0, 5.0)) == (-inf, inf)


@pytest.mark.parametrize("op", [Add, Sub, Div, Max, Min])
def test_operands_are_repeated_where_that_is_said(op: type[Add | Sub | Div | Max | Min]) -> None:
    assert op(repeat=True).infer(X, GATE) == X
    with pytest.raises(OpError, match=f"^{op.kind} needs equal shapes, .*; `fit: repeat` repeats extents of 1$"):
        op().infer(X, GATE)
    with pytest.raises(OpError, match="equal shapes or extents of 1"):
        op(repeat=True).infer(X, Shape(4, 2, 2))


def test_what_is_kept_of_a_chain() -> None:
    """Of a third operand, what the first two made."""
    needs = (True, False, True)
    assert Div().saved_for_backward(X, X, X, batch=2, needs=needs) == Saved((1, 2), products=((2, 2 * X.elements),))
    assert Max().saved_for_backward(X, X, X, batch=2, needs=needs) == Saved((0, 1, 2), products=((2, 2 * X.elements),))


def test_a_value_minus_itself_is_nothing() -> None:
    x = standard(X)
    assert Sub().moments(x, x, ties=Ties((0, 0), (1.0, 1.0), related=False)).whole.second == 0
    assert Sub().moments(x, x).whole.second == 2  # of two that are independent


def test_a_repeating_sum_has_another_digest_and_a_plain_one_the_old() -> None:
    assert Add().identity == {}
    assert Add(repeat=True).identity == {"repeat": True}
