"""The convolution along the channels: what it takes, and how many neighbours it finds."""

from __future__ import annotations

import pytest

from archspec.ops import ChannelConv, OpError, Shape
from archspec.ops.signal.moments import standard


@pytest.mark.parametrize(
    ("op", "shape", "reason"),
    [
        (ChannelConv(), Shape(8, 2, 2), "channel_conv needs a single position, found 8×2×2; put `global_avg_pool`"),
        (ChannelConv(kernel=2), Shape(8), "channel_conv needs an odd kernel, found 2"),
    ],
    ids=str,
)
def test_what_is_refused(op: ChannelConv, shape: Shape, reason: str) -> None:
    with pytest.raises(OpError, match=f"^{reason}"):
        op.infer(shape)


@pytest.mark.parametrize(("channels", "share"), [(1, 1 / 3), (2, 2 / 3), (100, 298 / 300)])
def test_the_window_hangs_over_both_ends(channels: int, share: float) -> None:
    assert ChannelConv().moments(standard(Shape(channels))).whole.second == pytest.approx(2 * share)
