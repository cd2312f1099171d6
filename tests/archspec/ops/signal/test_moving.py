"""The moments of what is taken, against numpy's slices of numbers that stand for them."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.ops.signal.axis import MAX_AXIS, Axis
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import Flow, Gradient, Moments
from archspec.ops.signal.moving import give_channels, give_positions, roll_positions, take_channels, take_positions

KINDS = ((3, 1.0), (1, 5.0), (4, 2.0))
X = Moments(tuple((n, ChannelMoments(0.0, second, 0.0)) for n, second in KINDS), (Axis(4, (0.5, 1.0, 1.0, 1.5)),))
SECONDS = np.concatenate([np.full(n, second) for n, second in KINDS])


def spread(runs: tuple[tuple[int, ChannelMoments | Flow], ...]) -> list[float]:
    return [part.second for n, part in runs for _ in range(n)]


@pytest.mark.parametrize("taken", [range(8), range(2, 5), range(1, 8, 2), range(0, 7, 3), range(3, 4)])
def test_channels_are_taken(taken: range) -> None:
    assert spread(take_channels(X, taken).runs) == SECONDS[taken.start : taken.stop : taken.step].tolist()


def test_channels_that_are_not_taken_get_no_gradient() -> None:
    gradient = Gradient(((1, Flow(2.0, 2.0)), (2, Flow(3.0, 3.0))), X.axes)
    assert spread(give_channels(gradient, X, range(2, 5)).runs) == [0, 0, 2, 3, 3, 0, 0, 0]
    evened = give_channels(gradient, X, range(1, 7, 2))
    assert spread(evened.runs) == [0, 1, 1, 1.5, 1.5, 1.5, 1.5, 0]
    assert "kinds" in evened.doubts


@pytest.mark.parametrize("taken", [range(1, 3), range(0, 4, 2), range(3, 4)])
def test_positions_are_taken_and_given_back(taken: range) -> None:
    found = take_positions(X, 0, taken)
    kept = np.array(X.axes[0].values)[taken.start : taken.stop : taken.step]
    assert found.whole.second * np.array(found.axes[0].values) == pytest.approx(X.whole.second * kept)
    given = give_positions(Gradient(((8, Flow(1.0, 1.0)),), (Axis(len(taken)),)), X, 0, taken)
    expected = np.zeros(4)
    expected[taken.start : taken.stop : taken.step] = 1
    assert given.second * np.array(given.axes[0].values) == pytest.approx(expected)


def test_rolled_positions_are_numpys() -> None:
    (found,) = roll_positions(X.axes, (3,))
    assert found.values == tuple(np.roll(X.axes[0].values, 3))
    assert roll_positions((Axis(5),), (2,)) == (Axis(5),)


def test_long_axes_are_even() -> None:
    assert Axis(2 * MAX_AXIS).take(range(4)) == (1.0, Axis(4))
    assert Axis(4).give(range(4), 2 * MAX_AXIS) == (2 / MAX_AXIS, Axis(2 * MAX_AXIS, exact=False))
