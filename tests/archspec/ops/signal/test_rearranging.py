"""The moments of what is laid out anew."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.ops.signal.axis import Axis
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import Flow, Gradient, Moments
from archspec.ops.signal.rearranging import (
    MAX_DEALT,
    deal_channels,
    exchange_axes,
    exchange_axes_of_flow,
    flow_into_blocks,
    flow_out_of_blocks,
    lay_in_a_row,
    put_into_blocks,
    take_out_of_blocks,
)

SECONDS = [1.0, 1.0, 2.0, 3.0]
X = Moments(tuple((1, ChannelMoments(0.0, second, 0.5)) for second in SECONDS), (Axis(2, (0.5, 1.5)), Axis(4)))


def test_a_row_has_the_products_of_both_spreads() -> None:
    (axis,) = lay_in_a_row(X).axes
    assert axis.values == (0.5,) * 4 + (1.5,) * 4


def test_channels_are_dealt_as_numpy_does() -> None:
    runs = tuple((1, Flow(float(i), 0.0)) for i in range(6))
    assert [part.second for _, part in deal_channels(runs, 2)] == np.arange(6).reshape(2, 3).T.reshape(-1).tolist()
    wide = ((MAX_DEALT, Flow(1.0, 0.0)), (MAX_DEALT, Flow(3.0, 0.0)))
    assert deal_channels(wide, 2) == ((2 * MAX_DEALT, Flow(2.0, 0.0)),)


def test_blocks_are_means_of_channels_beside_each_other() -> None:
    found = take_out_of_blocks(X, 2)
    assert found.shape == (1, 4, 8)
    assert found.whole.second == np.mean(SECONDS)
    assert found.whole.common == 0.5 / 4
    assert "kinds" in found.doubts
    assert put_into_blocks(X, 2).shape == (16, 1, 2)


def test_gradients_go_back_the_same_way() -> None:
    gradient = Gradient(((4, Flow(2.0, 2.0)),), (Axis(2), Axis(4)))
    assert flow_out_of_blocks(gradient, 2).axes == (Axis(4), Axis(8))
    assert flow_into_blocks(gradient, 2).runs == ((16, Flow(2.0, 2.0)),)


def test_positions_that_become_channels_have_the_means_of_all_in_common() -> None:
    row = Moments(((3, ChannelMoments(1.0, 2.0, 1.5)),), (Axis(5),))
    found = exchange_axes(row)
    assert found.shape == (5, 3)
    assert found.whole == pytest.approx((1.0, 2.0, 1.0 + 0.5 / 3))
    assert found.uneven == pytest.approx((0.5 - 0.5 / 3) / 2)
    assert "border" in exchange_axes(Moments(tuple((1, part) for _, part in X.runs), (Axis(2),))).doubts
    assert exchange_axes_of_flow(Gradient(((5, Flow(2.0, 2.0)),), (Axis(3),))) == Gradient(
        ((3, Flow(2.0, 2.0)),), (Axis(5),)
    )
