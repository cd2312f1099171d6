"""How second moments are spread along an axis, against torch's convolutions of variances."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from archspec.ops import Window
from archspec.ops.signal.axis import MAX_AXIS, Axis, blend, even_out, place

PROFILE = (0.5, 1.5, 0.0, 2.0, 1.0, 1.0)
AXES = [Axis(6), Axis(6, PROFILE)]
WINDOWS = [
    Window(3, 1, 1, 1),
    Window(2, 2),
    Window(3, 2, 1, 1),
    Window(3, 1, 2, 2, 2),
    Window(1, 1, 1, 1),
    Window(3, 2, 2, 0),
]


def spell_out(scaled: tuple[float, Axis]) -> list[float]:
    mean, axis = scaled
    return [mean * value for value in axis.values]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("window", WINDOWS)
def test_windows_add_up_the_moments_that_they_see(axis: Axis, window: Window) -> None:
    moments, ones = torch.tensor([[axis.values]]), torch.ones(1, 1, window.kernel)
    padded = functional.pad(moments, (window.before, window.after))
    expected = functional.conv1d(padded, ones, None, window.stride, 0, window.dilation)[0, 0]
    size = window.slide(6)
    assert spell_out(axis.gather(window, size)) == pytest.approx(expected.tolist())


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("window", WINDOWS)
def test_values_are_sent_where_a_transposed_convolution_writes(axis: Axis, window: Window) -> None:
    moments, ones = torch.tensor([[axis.values]]), torch.ones(1, 1, window.kernel)
    written = functional.conv_transpose1d(moments, ones, None, window.stride, 0, 0, 1, window.dilation)[0, 0]
    expected = written[window.before : len(written) - window.after]
    assert spell_out(axis.spread(window, len(expected))) == pytest.approx(expected.tolist())


def test_a_cut_is_even_and_padded_with_zeros() -> None:
    assert spell_out(AXES[1].cut(1, 3)) == [1.5, 0.0, 2.0]
    assert spell_out(AXES[1].cut(-1, 8)) == [0.0, *PROFILE, 0.0]


def test_a_mask_keeps_what_stands_over_gaps() -> None:
    assert AXES[1].gaps
    assert spell_out(AXES[0].mask(AXES[1])) == [1, 1, 0, 1, 1, 1]
    assert AXES[0].mask(Axis(6, (1.2, 0.8) * 3)) == (1.0, AXES[0])


def test_repeated_and_merged_positions() -> None:
    assert AXES[1].repeat(2).values == tuple(value for value in PROFILE for _ in range(2))
    assert AXES[1].merge(2).values == (1.0, 1.0, 1.0)
    assert AXES[1].repeat(2).merge(2).values == PROFILE


def test_roots_and_squares_are_means_over_positions() -> None:
    assert AXES[1].root == pytest.approx(np.sqrt(PROFILE).mean())
    assert AXES[1].square == pytest.approx(np.square(PROFILE).mean())
    assert (AXES[0].root, AXES[0].square) == (1.0, 1.0)


def test_the_centre_stands_in_the_middle() -> None:
    kept, (axis,) = place([AXES[1]], [4])
    assert [kept * value for value in axis.values] == pytest.approx(list(PROFILE[1:5]))
    kept, (axis,) = place([AXES[1]], [9])  # an odd position goes to the end
    assert [kept * value for value in axis.values] == pytest.approx([0, *PROFILE, 0, 0])


def test_a_blend_is_weighed_and_no_longer_exact() -> None:
    mixed = blend((1.0, 3.0), (AXES[0], AXES[1]))
    assert mixed.values == pytest.approx([(1 + 3 * value) / 4 for value in PROFILE])
    assert not mixed.exact
    assert blend((1.0, 3.0), (AXES[1], AXES[1])) == AXES[1]


def test_of_long_axes_the_borders_are_left_out() -> None:
    window = Window(3, 1, 1, 1)
    size = MAX_AXIS + 1
    assert Axis(size).gather(window, size) == (3.0, Axis(size, exact=False))
    assert even_out([2.0, 2.0], exact=True) == (2.0, Axis(2))
