"""Moments and gradients of one value, and what chance does to them, against samples."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.ops import Shape
from archspec.ops.signal.axis import Axis
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import Chance, Flow, Gradient, Moments, doubt_all, standard, unit_gradient

PART = ChannelMoments(0.5, 2.0, 0.8)
DROPPED = Chance(0.6, 0.36, whole=False)


def test_standard_values_are_independent_and_even() -> None:
    found = standard(Shape(3, 4, 5))
    assert found.whole == (0.0, 1.0, 0.0)
    assert (found.shape, found.positions, found.normal) == ((3, 4, 5), 20, True)


def test_dropped_values_are_those_of_samples() -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(0, (PART.second - PART.common) ** 0.5, (2, 300_000))
    shared = rng.normal(0, (PART.common - PART.mean**2) ** 0.5, 300_000)
    kept = rng.random((2, 300_000)) < DROPPED.kept
    values = (PART.mean + shared + own) * kept
    found = DROPPED.spread(PART)
    expected = (values.mean(), (values**2).mean(), (values[0] * values[1]).mean())
    assert found == pytest.approx(expected, abs=0.02)


def test_what_is_given_is_what_was_spread() -> None:
    assert DROPPED.given(DROPPED.spread(PART)) == pytest.approx(PART)
    assert DROPPED.given(PART) != pytest.approx(PART)


def test_chances_multiply() -> None:
    whole = Chance(0.5, 0.5, whole=True)
    assert DROPPED.drop(whole) == pytest.approx(Chance(0.3, 0.18, whole=False))
    assert whole.drop(whole).whole


def test_a_value_that_chance_drops_says_so_until_it_is_mixed() -> None:
    sample = Chance(0.5, 0.25, whole=True)
    dropped = standard(Shape(4)).drop(sample, 2.0)
    assert dropped.whole == pytest.approx((0.0, 2.0, 0.0))
    assert dropped.sample == dropped.chance == sample
    assert doubt_all([dropped]) == {"dropped"}
    assert dropped.before_averaging() is dropped
    single = standard(Shape(4)).drop(DROPPED, 1.0)
    assert single.sample is None
    assert single.before_averaging().chance is None
    assert single.before_averaging().runs == single.runs


def test_each_kind_of_channel_by_itself() -> None:
    x = Moments(((2, PART), (1, ChannelMoments(0.0, 1.0, 0.0))), (Axis(3),))
    assert (x.channels, x.shape) == (3, (3, 3))
    assert x.whole.second == pytest.approx((2 * 2.0 + 1.0) / 3)
    assert [part.second for _, part in x.times(2.0, 4.0, 4.0).runs] == [8.0, 4.0]


def test_gradients_pass_by_channel() -> None:
    gradient = unit_gradient(Shape(4, 2), 3.0)
    assert gradient.times(2.0).second == 6.0
    assert gradient.by([(1, 0.5), (3, 1.0)]).runs == ((1, Flow(1.5, 1.5)), (3, Flow(3.0, 3.0)))
    assert gradient.by([(1, 0.5), (3, 1.0)]).part(1, 2).runs == ((2, Flow(3.0, 3.0)),)


def test_at_a_rectifier_more_passes_of_what_a_maximum_chose() -> None:
    gradient = Gradient(((4, Flow(1.0, 1.0)),)).times_at_rectifier([(4, 2.0)])
    assert gradient.second == 1.0
    assert gradient.by([(4, 0.5)]).second == 0.5
    assert gradient.by([(4, 0.5)], at_rectifier=True).second == 1.0
