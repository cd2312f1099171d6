"""Batches: what they hold, what is left out of them, and how they become what the network reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from runtime.data.augment import CentreCut
from runtime.data.batches import SampleDraw
from runtime.data.dataset import ArraySamples, Samples
from runtime.data.fetching import Batch, BatchFetcher, ReadFailure, normalize_images
from runtime.data.sized import ResizingSamples
from runtime.pictures.preprocess import Preprocess
from runtime.tasks.registry import find_task
from tests.support.odd_samples import FailingSamples

SIZE = (4, 4)


def fetch(samples: Samples, indices: list[int], task: str = "labels", **options: Any) -> Batch | ReadFailure:
    preprocess, asked = Preprocess(1, SIZE, (0.5,), (0.5,)), find_task(task)
    fetcher = BatchFetcher(ResizingSamples(samples, preprocess, asked), CentreCut(preprocess, asked), asked, **options)
    return fetcher.__getitems__([SampleDraw(index, 0) for index in indices])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_batch_holds_images_in_their_own_type(dtype: Any) -> None:
    images = np.arange(5 * 16).reshape(5, 1, 4, 4).astype(dtype)
    batch = fetch(ArraySamples(images, np.array([2, 0, 1, 1, 2])), [3, 0])
    assert isinstance(batch, Batch)
    assert np.array_equal(batch.images.numpy(), images[[3, 0]])
    assert batch.images.numpy().dtype == dtype
    assert (batch.targets.tolist(), batch.targets.dtype, batch.indices.tolist()) == ([1, 2], torch.int64, [3, 0])
    assert (len(batch), batch.bad) == (2, ())


def test_maps_stay_small_and_joints_that_are_not_labelled_are_nan() -> None:
    images = np.zeros((2, 1, 4, 4), np.uint8)
    maps = fetch(ArraySamples(images, np.full((2, 4, 4), 7)), [0, 1], "maps")
    assert isinstance(maps, Batch)
    assert (maps.targets.dtype, maps.targets.shape) == (torch.uint8, (2, 4, 4))
    joints = fetch(ArraySamples(images, np.array([[[1, 2, 2], [3, 3, 0]]] * 2)), [0, 1], "joints")
    assert isinstance(joints, Batch)
    assert np.array_equal(joints.targets.numpy(), np.array([[[1, 2], [np.nan] * 2]] * 2), equal_nan=True)


def test_images_of_several_types_become_values() -> None:
    class Mixed:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> tuple[Any, int]:
            return np.full((1, 4, 4), (255, 65535)[index], (np.uint8, np.uint16)[index]), 0

    batch = fetch(Mixed(), [0, 1])
    assert isinstance(batch, Batch)
    assert (batch.images.dtype, batch.images.unique().tolist()) == (torch.float32, [1.0])


def test_what_cannot_be_read_is_told_or_left_out() -> None:
    samples = FailingSamples((2, 5))
    assert fetch(samples, [0, 2, 1]) == ReadFailure("photos/2.jpg is a broken picture")
    batch = fetch(samples, [0, 2, 5, 1], skip_bad=True)
    assert isinstance(batch, Batch)
    assert batch.indices.tolist() == [0, 1]
    assert batch.bad == ((2, "photos/2.jpg is a broken picture"), (5, "photos/5.jpg is a broken picture"))
    assert fetch(samples, [2, 5], skip_bad=True) == ReadFailure(
        "none of the 2 images of a step can be read: photos/2.jpg is a broken picture"
    )


@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize("scale", [1, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_normalizing_is_that_of_prediction(dtype: Any, scale: Any, order: Any) -> None:
    """The control: another standard deviation is not."""
    mean, std = tuple(scale * value for value in (0.4, 0.5, 0.6)), tuple(scale * value for value in (0.2, 0.3, 0.25))
    preprocess = Preprocess(3, (5, 6), mean, std, order=order, scale=scale)
    values = np.random.default_rng(0).uniform(0, 1, (2, 3, 5, 6))
    whole = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    images = (np.rint(values * whole) if whole > 1 else values).astype(dtype)
    found = normalize_images(torch.from_numpy(images), preprocess)
    assert found.dtype == torch.float32
    assert np.allclose(found.numpy(), preprocess.normalize(images), atol=2e-6, rtol=1e-6)
    other = Preprocess(3, (5, 6), mean, (std[0] * 1.001, *std[1:]), order=order, scale=scale)
    assert not np.allclose(found.numpy(), other.normalize(images), atol=2e-6, rtol=1e-6)
