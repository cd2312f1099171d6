"""Values become levels by one rule, whose figures are numpy's percentiles of what is no background."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.errors import InputError
from runtime.data.volumes.intensity import WHITE, Brightness, find_windows, measure_window, sample, to_levels
from runtime.pictures.preprocess import Preprocess
from tests.support.phantoms import draw_spheres


@given(st.integers(-3000, 3000), st.integers(1, 65535), st.sampled_from([np.int16, np.float32, np.int32]))
def test_whole_values_keep_their_levels(low: int, width: int, dtype: Any) -> None:
    values = np.linspace(low, low + width, 99).round().astype(np.int32).clip(-32768, 32767).astype(dtype)
    levels = to_levels(values.reshape(1, 1, 9, 11), [(low, low + width)])
    assert levels.dtype == np.uint16
    back = low + levels.reshape(-1) / WHITE * width
    np.testing.assert_array_equal(back.round(), np.asarray(values, np.float64))


def test_beyond_the_window_all_is_one() -> None:
    levels = to_levels(np.array([-2000, -100, 20, 140, 9000], np.int16).reshape(1, 1, 1, 5), [(-100, 140)])
    assert levels.reshape(-1).tolist() == [0, 0, round(WHITE / 2), WHITE, WHITE]
    with pytest.raises(InputError, match=r"a volume of 2 channels, and the network takes 1"):
        to_levels(np.zeros((2, 1, 1, 1)), [(0, 1)])


def test_figures_are_those_of_the_foreground() -> None:
    values, labels = draw_spheres((40, 40, 40), 6, 0)
    found = Brightness(1)
    found.add(values[None], labels > 0)
    (window,), (mean,), (std,) = found.finish()
    inside = values[labels > 0].astype(np.float64)
    np.testing.assert_allclose(window, np.percentile(inside, [0.5, 99.5]), rtol=1e-6)
    shares = (inside.clip(*window) - window[0]) / (window[1] - window[0])
    np.testing.assert_allclose([mean, std], [shares.mean(), shares.std()], atol=1e-6)
    assert abs(window[0] - np.percentile(values, 0.5)) > 500, "control: the background is darker"


def test_a_volume_of_background_counts_whole() -> None:
    values, labels = draw_spheres((16, 16, 16), 0, 0)
    found = Brightness(1)
    found.add(values[None], labels > 0)
    np.testing.assert_allclose(found.finish()[0][0], np.percentile(values, [0.5, 99.5]), rtol=1e-6)


def test_each_volume_by_itself() -> None:
    values, labels = draw_spheres((24, 24, 24), 4, 1)
    found = Brightness(1, each=True)
    for factor in (1, 3):
        found.add(values[None] * np.float32(factor), labels > 0)
    windows, (mean,), _ = found.finish()
    assert windows == ((0.0, 1.0),)
    own = np.percentile(values, [0.5, 99.5])
    assert mean == pytest.approx(((values[labels > 0].clip(*own) - own[0]) / (own[1] - own[0])).mean(), abs=1e-4)
    each = Preprocess(1, (8, 8, 8), (mean,), (1.0,), resize="none", window="each")
    first, third = (to_levels(scaled, find_windows(scaled, each)) for scaled in (values[None], values[None] * 3.0))
    assert np.abs(first.astype(int) - third.astype(int)).max() <= 1


def test_given_windows_stay() -> None:
    found = Brightness(1, given=[(-100.0, 240.0)])
    found.add(np.array([-500, 70, 240], np.int16).reshape(1, 1, 1, 3), np.ones((1, 1, 3), np.bool_))
    windows, means, _ = found.finish()
    assert (windows, means) == (((-100.0, 240.0),), (0.5,))
    with pytest.raises(InputError, match=r"has 2 channels, and those before it 1"):
        found.add(np.zeros((2, 1, 1, 1)), np.ones((1, 1, 1), np.bool_))


def test_one_value_everywhere() -> None:
    assert measure_window(np.full(9, 7)) == (7.0, 8.0)


def test_samples_are_spread() -> None:
    values = np.arange(3 << 20)
    assert len(sample(values)) == 1 << 20
    assert sample(values, values % 2 == 1)[:3].tolist() == [1, 5, 9]


def test_a_network_without_a_window_takes_no_volume() -> None:
    with pytest.raises(InputError, match=r"least and its largest"):
        find_windows(np.zeros((1, 2, 2, 2)), Preprocess(1, (2, 2, 2), (0.0,), (1.0,), resize="none"))
