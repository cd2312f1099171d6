"""The windows that fields say, and where torch pads in a step of its own."""

from __future__ import annotations

import pytest

from archspec.ops import OpError, Shape, Window
from archspec.ops.sliding import count_padded, find_windows, pads_apart, tell_reach

IMAGE = Shape(3, 8, 9)


def test_each_axis_has_its_window() -> None:
    found = find_windows(IMAGE, kernel=(3, 4), stride=2, padding=("same", "same_end"), dilation=(2, 1))
    assert found == (Window(3, 2, 2, 2, 2), Window(4, 2, 1, 2))
    assert tell_reach(found) == "5×4"
    assert tell_reach(found[:1] * 2) == "5"
    with pytest.raises(OpError, match=r"stride: \[1, 2, 3\] has 3 entries, and 3×8×9 has 2 spatial axes"):
        find_windows(IMAGE, kernel=3, stride=(1, 2, 3), padding=0)


def test_torch_pads_alike_at_both_ends_of_every_size() -> None:
    """Else what is padded is a value of its own: of so many numbers, unless nothing is padded at this size."""
    for kernel, stride, padding, apart, count in (
        (3, 2, "same", False, 0),
        (3, 1, "same_end", False, 0),
        (3, 1, "causal", True, 3 * 10 * 11),
        (3, 2, "same_end", True, 3 * 9 * 11),
        (1, 2, "same_end", True, 0),
    ):
        windows = find_windows(IMAGE, kernel=kernel, stride=stride, padding=padding)  # type: ignore[arg-type]
        assert pads_apart(padding, windows) is apart  # type: ignore[arg-type]
        assert count_padded(padding, windows, IMAGE) == count  # type: ignore[arg-type]
