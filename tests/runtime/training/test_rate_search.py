"""A range test reads the rate off the curve where the loss falls most steeply."""

from __future__ import annotations

import math

import numpy as np
import pytest

from archspec.errors import InputError
from runtime.training.rate_search import FIRST_RATE, LAST_RATE, STEPS, RangeTestMeter, rate_of


def smooth(losses: list[float]) -> list[float]:
    """The moving average of fastai's first course, written out with its sums."""
    weights = [[0.02 * 0.98 ** (end - step) for step in range(end + 1)] for end in range(len(losses))]
    return [float(np.dot(each, losses[: len(each)]) / sum(each)) for each in weights]


def test_rates_grow_by_a_factor() -> None:
    rates = [rate_of(step) for step in range(STEPS)]
    assert rates[0] == FIRST_RATE
    assert rates[-1] == pytest.approx(LAST_RATE)
    assert np.diff(np.log(rates)) == pytest.approx(math.log(LAST_RATE / FIRST_RATE) / (STEPS - 1))


def test_the_steepest_fall_is_found() -> None:
    """Of a logistic curve, which falls most steeply at its middle; the mean lags behind it by some steps."""
    losses = [2.3 / (1 + math.exp((step - 50) / 4)) + 0.1 for step in range(STEPS)]
    meter = RangeTestMeter()
    assert all(meter.add(rate_of(step), loss) for step, loss in enumerate(losses))
    found = meter.finish()
    assert found.losses == pytest.approx(smooth(losses))
    slopes = np.gradient(np.array(smooth(losses)), np.log(found.rates))
    assert found.steepest == found.rates[5 + int(slopes[5:-5].argmin())]
    assert rate_of(50) < found.steepest < rate_of(99)
    assert found.tenth == pytest.approx(found.rates[int(np.argmin(found.losses))] / 10)
    assert not found.has_risen
    assert set(found.to_dict()) == {"rates", "losses", "steepest", "minimum_tenth"}


@pytest.mark.parametrize("spoiled", [math.nan, math.inf, 1e4])
def test_a_loss_that_is_lost_ends_the_test(spoiled: float) -> None:
    meter = RangeTestMeter()
    for step in range(20):
        assert meter.add(rate_of(step), 2.0 - 0.05 * step)
    assert not meter.add(rate_of(20), spoiled)
    found = meter.finish()
    assert len(found.rates) == 20
    assert found.lowest == found.rates[-1]
    assert found.has_risen


def test_a_curve_that_says_nothing_is_refused() -> None:
    short, rising = RangeTestMeter(), RangeTestMeter()
    short.add(1e-7, 1.0)
    with pytest.raises(InputError, match="the loss was lost after 1 steps, at a rate of 1e-07"):
        short.finish()
    for step in range(40):
        rising.add(rate_of(step), 1.0 + 0.01 * step)
    with pytest.raises(InputError, match="the loss falls at no rate"):
        rising.finish()
