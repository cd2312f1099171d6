"""Images brought to other channels and another size: what normalizes them follows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime.data.adapting import IMAGENET, adapt_images
from runtime.data.dataset import ArraySamples, Dataset
from runtime.data.opening import open_data
from runtime.pictures.preprocess import Preprocess
from runtime.recipes.data import DataSection
from tests.support.folders import draw_pixels, write_class_folders


def test_gray_becomes_equal_channels_with_equal_moments(tmp_path: Path) -> None:
    data = open_data(write_class_folders(tmp_path, {"a": 5, "b": 5}, (8, 9)))
    adapted = adapt_images(data, 3, (16, 10), DataSection())
    assert adapted.preprocess.shape == (3, 16, 10)
    assert adapted.preprocess.mean == data.preprocess.mean * 3
    assert adapted.preprocess.std == data.preprocess.std * 3
    images = adapted.held_out.images
    assert images.shape == (2, 3, 16, 10)
    assert np.array_equal(images[:, 0], images[:, 1])
    imagenet = DataSection(normalize="imagenet")
    assert adapt_images(open_data(tmp_path, imagenet), 3, (8, 9), imagenet).preprocess.mean == IMAGENET[0]


def test_colours_become_luma_that_is_measured_anew(tmp_path: Path) -> None:
    data = open_data(write_class_folders(tmp_path, {"a": 5, "b": 5}))
    adapted = adapt_images(data, 1, data.preprocess.size, DataSection())
    train = adapted.training.images
    assert train.shape == (8, 1, 8, 9)
    assert abs(float(train.mean())) < 1e-5
    assert abs(float(train.std()) - 1) < 1e-5
    files = [path for index in range(8) for path in adapted.train.list_files(index)]  # type: ignore[attr-defined]
    witness = np.stack([np.asarray(Image.open(path).convert("L")) for path in files])
    assert np.array_equal(np.rint(255 * adapted.preprocess.restore(train))[:, 0], witness)


def test_what_fits_stays_and_what_cannot_be_is_left_to_others(tmp_path: Path) -> None:
    data = open_data(write_class_folders(tmp_path, {"a": 5, "b": 5}), DataSection(resize="shorter"))
    assert adapt_images(data, 3, (8, 9), DataSection()) is data
    assert adapt_images(data, 4, (8, 9), DataSection()) is data
    larger = adapt_images(data, 3, (32, 16), DataSection()).preprocess
    assert (larger.size, larger.resize, larger.resize_to) == ((32, 16), "shorter", 32)


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_adapt_too(channels: int) -> None:
    samples = ArraySamples(draw_pixels((6, channels, 4, 4)), np.arange(6))
    data = Dataset("d", samples, samples, ("a",), Preprocess(channels, (4, 4), (0.5,) * channels, (0.2,) * channels))
    adapted = adapt_images(data, 4 - channels, (4, 4), DataSection())
    assert adapted.preprocess.channels == 4 - channels
    assert adapted.held_out.images.shape == (6, 4 - channels, 4, 4)
