"""Mean and deviation of images are exact and the same in any order; extents are what the heads of the files say."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.errors import InputError
from runtime.data.dataset import ArraySamples
from runtime.data.measuring import ChannelSums, measure_levels, refuse_bad, spread, survey
from runtime.data.source import LabelledPictures
from runtime.data.stored import StoredImage
from tests.support.folders import draw_pixels, save_pixels


@given(st.integers(0, 100), st.sampled_from([np.uint8, np.uint16]))
@settings(max_examples=30)
def test_mean_and_deviation_are_numpys_in_any_order(seed: int, dtype: type) -> None:
    generator = np.random.default_rng(seed)
    whole = np.iinfo(dtype).max
    images = [generator.integers(0, whole + 1, (3, *generator.integers(1, 9, 2)), dtype) for _ in range(4)]
    found = []
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        sums = ChannelSums()
        for index in order:
            sums.add(images[index])
        found.append(sums.finish())
    assert found[0] == found[1]
    values = np.concatenate([image.reshape(3, -1) for image in images], 1) / whole
    assert np.abs(np.array(found[0]) - [values.mean(1), values.std(1)]).max() < 1e-6
    assert np.abs(np.array(found[0]) - [values.mean(1) + 1e-5, values.std(1)]).max() > 1e-6, "the control"


def test_eight_and_sixteen_bits_are_values_of_one_range() -> None:
    sums = ChannelSums()
    sums.add(np.array([[[0, 255]]], np.uint8))
    sums.add(np.array([[[0, 65535]]], np.uint16))
    sums.add(np.array([[[0.0, 1.0]]], np.float32))
    assert sums.finish() == ((0.5,), (0.5,))


def test_nothing_is_lost_in_many_large_levels() -> None:
    """In float32 the sums of such an image are wrong in the third digit."""
    image = np.full((1, 3000, 3000), 65534, np.uint16)
    image[0, 0, 0] = 0
    sums = ChannelSums()
    sums.add(image)
    mean, std = sums.finish()
    exact = 65534 / 65535 * (1 - 1 / 9e6)
    assert (mean, std) == ((round(exact, 6),), (round(65534 / 65535 * np.sqrt((1 - 1 / 9e6) / 9e6), 6),))


def test_a_channel_that_is_the_same_everywhere_is_not_divided_by_nothing() -> None:
    sums = ChannelSums()
    sums.add(np.array([[[7, 7]], [[0, 255]]], np.uint8))
    assert sums.finish()[1] == (1.0, 0.5)
    sums = ChannelSums()
    sums.add(np.full((2, 3, 3), 7, np.uint8))
    with pytest.raises(InputError, match="no training image can be used"):
        ChannelSums().finish()
    with pytest.raises(InputError, match="one value everywhere: nothing can be learned"):
        sums.finish()
    with pytest.raises(InputError, match="an image has 3 channels, and the ones before it 2"):
        sums.add(np.zeros((3, 2, 2), np.uint8))


def test_some_are_chosen_evenly() -> None:
    assert spread(3, 5) == [0, 1, 2]
    chosen = spread(1_000_003, 100)
    assert (len(set(chosen)), chosen[0], chosen[-1] < 1_000_003) == (100, 0, True)
    assert {later - earlier for earlier, later in pairwise(chosen)} <= {10_000, 10_001}


def test_heads_say_channels_and_extents(tmp_path: Path) -> None:
    shapes = [(4, 6), (4, 6, 3), (8, 2), (6, 6)]
    names = [save_pixels(tmp_path / f"{number}.png", draw_pixels(shape)).name for number, shape in enumerate(shapes)]
    (tmp_path / "bad.png").write_text("")
    found = survey(LabelledPictures(tmp_path, [*names, "bad.png"], targets=np.zeros(5, np.int64)))
    assert (found.channels, found.common, found.median) == (3, None, (4, 6))
    assert len(found.bad) == 1
    assert survey(LabelledPictures(tmp_path, names[:2], targets=np.zeros(2, np.int64))).common == (4, 6)
    with pytest.raises(InputError, match=r"1 file of data cannot be used: .*bad\.png .*--skip-bad"):
        refuse_bad(found.bad, "data")
    refuse_bad((), "data")


def test_arrays_have_one_head() -> None:
    samples = ArraySamples(np.zeros((5, 2, 3, 4), np.uint8), np.zeros(5, np.int64))
    assert survey(samples).stored == (StoredImage(2, (3, 4)),)
    assert survey(samples).bad == ()


def test_images_are_measured_by_their_indices() -> None:
    images = draw_pixels((6, 1, 4, 4))
    steps: list[tuple[int, int]] = []
    mean, std = measure_levels(ArraySamples(images, np.zeros(6)), [1, 4], lambda done, of: steps.append((done, of)))
    values = images[[1, 4]] / 255
    assert [*mean, *std] == pytest.approx([values.mean(), values.std()], abs=1e-6)
    assert steps == [(2, 2)]
