"""Functions of normal values: closed forms against quadrature, and both against samples."""

from __future__ import annotations

from math import exp, pi, sqrt

import numpy as np
import pytest

from archspec.ops import Relu, Sigmoid, Tanh
from archspec.ops.activation import LeakyRelu
from archspec.ops.signal.gaussian import ChannelMoments, pass_curve, pass_largest, pass_rectifier

MOMENTS = [ChannelMoments(0.0, 1.0, 0.0), ChannelMoments(0.0, 2.0, 0.6), ChannelMoments(0.7, 1.5, 0.9)]
each = pytest.mark.parametrize("x", MOMENTS, ids=lambda x: f"mean {x.mean}")


def draw_pairs(x: ChannelMoments, count: int = 400_000) -> tuple[np.ndarray, np.ndarray]:
    """Values of one channel for two samples at any two positions."""
    rng = np.random.default_rng(0)
    shared = rng.standard_normal(count) * sqrt(x.common - x.mean**2)
    own = rng.standard_normal((2, count)) * sqrt(x.second - x.common)
    return x.mean + shared + own[0], x.mean + shared + own[1]


@each
@pytest.mark.parametrize("slope", [0.0, 0.2, -0.5])
def test_rectifiers_are_what_quadrature_finds(x: ChannelMoments, slope: float) -> None:
    closed, numeric = pass_rectifier(slope, x), pass_curve(LeakyRelu(slope=slope), x)
    assert closed.part == pytest.approx(numeric.part, rel=2e-3, abs=1e-6)
    assert closed.gain == pytest.approx(numeric.gain)


@each
@pytest.mark.parametrize("op", [Sigmoid(), Tanh(), Relu()], ids=lambda op: op.kind)
def test_moments_are_those_of_samples(x: ChannelMoments, op: Sigmoid | Tanh | Relu) -> None:
    one, other = (np.vectorize(op.curve)(values) for values in draw_pairs(x))
    found = op.passed(x).part
    assert found == pytest.approx((one.mean(), (one**2).mean(), (one * other).mean()), abs=0.006)


def test_of_a_standard_value_relu_keeps_known_moments() -> None:
    found = pass_rectifier(0.0, MOMENTS[0])
    assert found.part == pytest.approx((1 / sqrt(2 * pi), 0.5, 1 / (2 * pi)))
    assert found.gain == 0.5
    assert pass_rectifier(1.0, MOMENTS[2]).part == pytest.approx(MOMENTS[2])


@each
@pytest.mark.parametrize("count", [1, 4])
def test_the_largest_is_that_of_samples(x: ChannelMoments, count: int) -> None:
    rng = np.random.default_rng(1)
    shared = x.mean + rng.standard_normal((60_000, 1)) * sqrt(x.common - x.mean**2)
    largest = (shared + rng.standard_normal((60_000, count)) * sqrt(x.second - x.common)).max(1)
    found = pass_largest(count, False, x)
    assert (found.part.mean, found.part.second) == pytest.approx((largest.mean(), (largest**2).mean()), abs=0.03)
    assert found.gain == pytest.approx((largest > 0).mean(), abs=0.01)
    rectified = pass_largest(count, True, x).part
    assert rectified.second == pytest.approx((np.maximum(largest, 0) ** 2).mean(), abs=0.03)


def test_a_deviation_is_that_around_the_mean() -> None:
    assert ChannelMoments(3.0, 10.0, 9.0).deviation == 1
    assert ChannelMoments(3.0, 8.9, 9.0).deviation == 0  # by rounding alone


def test_a_wider_value_keeps_less_of_a_sigmoid() -> None:
    narrow, wide = (pass_curve(Sigmoid(), ChannelMoments(0.0, second, 0.0)) for second in (1e-4, 25.0))
    assert narrow.gain == pytest.approx((exp(0) / (1 + exp(0)) ** 2) ** 2, rel=1e-3)
    assert wide.gain < narrow.gain / 3
