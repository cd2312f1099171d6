"""The moments of maps one behind the other."""

from __future__ import annotations

import pytest

from archspec.ops.signal.axis import MAX_AXIS, Axis
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.joining import join_positions
from archspec.ops.signal.moments import Moments


def value(second: float, size: int, mean: float = 0.0) -> Moments:
    return Moments(((8, ChannelMoments(mean, second, mean**2)),), (Axis(3), Axis(size)))


def test_moments_are_means_over_the_positions() -> None:
    found = join_positions([value(1.0, 6), value(4.0, 2, mean=1.0)], 1)
    assert found.whole.second == pytest.approx(1.75)
    assert found.whole.mean == pytest.approx(0.25)
    assert found.whole.common == pytest.approx(0.25**2)
    spread = [found.whole.second * number for number in found.axes[1].values]
    assert spread == pytest.approx([1.0] * 6 + [4.0] * 2)
    assert found.axes[0] == Axis(3)


def test_a_long_axis_is_even() -> None:
    assert join_positions([value(1.0, MAX_AXIS), value(4.0, 1)], 1).axes[1] == Axis(MAX_AXIS + 1, exact=False)
