"""Sums, products and concatenations of values, against samples of them."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.ops import Shape
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import Flow, Gradient, Moments, standard, unit_gradient
from archspec.ops.signal.sums import Ties, add_up, concatenate, gather_copies, multiply, sum_gradients, weigh_narrow

A = Moments(((4, ChannelMoments(0.5, 2.0, 0.7)),))
B = Moments(((4, ChannelMoments(-1.0, 3.0, 1.4)),))


def draw(x: Moments, seed: int) -> np.ndarray:
    """Values of one channel for two samples."""
    rng, part = np.random.default_rng(seed), x.whole
    shared = rng.normal(part.mean, (part.common - part.mean**2) ** 0.5, 300_000)
    return shared + rng.normal(0, (part.second - part.common) ** 0.5, (2, 300_000))


def measure(values: np.ndarray) -> tuple[float, float, float]:
    return values.mean(), (values**2).mean(), (values[0] * values[1]).mean()


def test_a_sum_of_independent_values() -> None:
    found = add_up([A, B], Ties.none(2), 1.0, 1.0, 1.0)
    assert found.whole == pytest.approx(measure(draw(A, 0) + draw(B, 1)), abs=0.03)


def test_multiples_of_one_value_are_added_as_such() -> None:
    ties = Ties(("a", "a"), (1.0, -0.5), related=False)
    found = add_up([A, A], ties, 1.0, 1.0, 1.0)
    assert found.whole == pytest.approx(measure(0.5 * draw(A, 0)), abs=0.02)
    assert found.whole != pytest.approx(add_up([A, A], Ties.none(2), 1.0, 1.0, 1.0).whole, abs=0.1)


def test_drawn_weights_have_a_square_and_a_product() -> None:
    """α and 1 - α with α uniform: E α² = 1/3, E α (1 - α) = 1/6."""
    alpha = np.random.default_rng(2).random(300_000)
    values = alpha * draw(A, 0) + (1 - alpha) * draw(B, 1)
    assert add_up([A, B], Ties.none(2), 0.5, 1 / 3, 1 / 6).whole == pytest.approx(measure(values), abs=0.02)


def test_a_product_of_independent_values() -> None:
    assert multiply([A, B]).whole == pytest.approx(measure(draw(A, 0) * draw(B, 1)), abs=0.06)


def test_a_gate_of_one_channel_is_repeated() -> None:
    gate = Moments(((1, ChannelMoments(0.5, 0.3, 0.25)),))
    ((channels, part),) = multiply([A, gate]).runs
    assert channels == 4
    assert part == pytest.approx((0.25, 0.6, 0.175))


def test_channels_stand_side_by_side() -> None:
    found = concatenate([A, B, A])
    assert [count for count, _ in found.runs] == [4, 4, 4]
    assert found.whole.second == pytest.approx((2.0 + 3.0 + 2.0) / 3)


def test_copies_send_back_the_sum_of_their_gradients() -> None:
    gradient, x = unit_gradient(Shape(6, 5)), standard(Shape(1, 1))
    assert gather_copies(gradient, x).second == 30
    assert gather_copies(gradient, standard(Shape(6, 5))) == gradient


def test_gradients_of_several_readers_add_up() -> None:
    one, other = unit_gradient(Shape(4), 1.0), Gradient(((2, Flow(2.0, 2.0)), (2, Flow(5.0, 7.0))))
    assert sum_gradients([one, other], Ties.none(2)).runs == ((2, Flow(3.0, 3.0)), (2, Flow(6.0, 8.0)))
    twice = sum_gradients([one, one], Ties(("a", "a"), (1.0, 1.0), related=False))
    assert twice.second == 4.0  # of one gradient twice, and not of two


def test_ties_find_their_leaders() -> None:
    ties = Ties(("a", "b", "a"), (1.0, 1.0, -3.0), related=True)
    assert ties.group() == [[0, 2], [1]]
    assert ties.leader([0, 2]) == (2, -3.0)
    assert Ties(("a",), (0.0,), related=False).leader([0]) == (0, 1.0)


def test_narrowness_is_weighed_by_second_moments() -> None:
    assert weigh_narrow([(1.0, 0.5), (3.0, 0.1)]) == pytest.approx(0.2)
    assert weigh_narrow([(0.0, 0.5)]) == 0.0
