"""Intervals hold what they say, by numbers drawn from them."""

from __future__ import annotations

from itertools import product
from math import inf

import numpy as np
import pytest

from archspec.ops import Bounds
from archspec.ops.bounds import POSITIVE, SHARE, UNKNOWN, ZERO

INTERVALS = [Bounds(-2.0, 3.0), Bounds(0.5, 4.0), Bounds(-3.0, -1.0), ZERO, SHARE]


def draw(bounds: Bounds) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.linspace(bounds.low, bounds.high, 41)


@pytest.mark.parametrize(("one", "other"), [*product(INTERVALS, repeat=2)])
def test_products_lie_between_the_products_of_the_ends(one: Bounds, other: Bounds) -> None:
    products = np.outer(draw(one), draw(other))
    assert one.times(other) == pytest.approx((products.min(), products.max()))


@pytest.mark.parametrize(("one", "count"), [*product(INTERVALS, (1, 2, 3, 4))])
def test_powers_are_of_one_number(one: Bounds, count: int) -> None:
    low, high = one.power(count)
    powers = draw(one) ** count
    assert high == pytest.approx(powers.max())
    assert low <= powers.min() <= low + 0.01


def test_a_power_of_what_may_be_negative_is_no_product() -> None:
    assert Bounds(-2.0, 3.0).power(2) == (0, 9)
    assert Bounds(-2.0, 3.0).times(Bounds(-2.0, 3.0)) == (-6, 9)


def test_hull_and_meet() -> None:
    one, other = Bounds(-2.0, 3.0), Bounds(1.0, 4.0)
    assert one.hull(other) == (-2, 4)
    assert one.meet(other) == (1, 3)
    assert one.hull(other).holds(one)
    assert not one.holds(other)


def test_infinite_ends_stay_infinite_but_for_zero() -> None:
    assert POSITIVE.scaled(-2.0) == (-inf, 0)
    assert UNKNOWN.scaled(0.0) == ZERO
    assert UNKNOWN.holds(POSITIVE)
