"""Samples before they are split: what is known of them without reading any, and in how many channels they are read."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from runtime.data.dataset import ArraySamples
from runtime.data.sized import list_files
from runtime.data.source import (
    ChannelSamples,
    FileSamples,
    LabelledPictures,
    Subset,
    find_targets,
    peek_sample,
    take_channels,
)
from runtime.data.stored import StoredImage
from tests.support.folders import draw_pixels, save_pixels

ARRAYS = ArraySamples(draw_pixels((5, 1, 3, 4)), np.arange(5))


def save_some(folder: Path) -> LabelledPictures:
    names = [save_pixels(folder / f"{number}.png", draw_pixels((4, 6), number)).name for number in range(4)]
    return LabelledPictures(folder, names, targets=np.array([0, 1, 0, 1]))


def test_a_subset_is_its_samples_by_their_indices(tmp_path: Path) -> None:
    samples = save_some(tmp_path)
    some = Subset(samples, np.array([3, 0]))
    assert len(some) == 2
    assert np.array_equal(some[0][0], samples[3][0])
    assert [some[index][1] for index in range(2)] == [1, 0]
    assert find_targets(some) is not None
    assert np.array_equal(some.targets, [1, 0])  # type: ignore[arg-type]
    assert some.list_files(0) == list_files(some, 0) == (tmp_path / "3.png",)
    assert peek_sample(some, 1) == StoredImage(1, (4, 6))
    inner = Subset(some, np.array([1]))
    assert inner.list_files(0) == (tmp_path / "0.png",)


def test_what_lies_in_no_files_says_so() -> None:
    assert not isinstance(ARRAYS, FileSamples)
    assert list_files(Subset(ARRAYS, np.array([2])), 0) == ()
    assert peek_sample(Subset(ARRAYS, np.array([2])), 0) == StoredImage(1, (3, 4))
    assert np.array_equal(find_targets(Subset(ARRAYS, np.array([2, 4]))), [2, 4])  # type: ignore[arg-type]
    assert find_targets([(np.zeros(3), 0)]) is None


def test_gray_becomes_equal_channels_whatever_it_lies_in(tmp_path: Path) -> None:
    for samples in (ARRAYS, Subset(ARRAYS, np.array([1, 2])), save_some(tmp_path)):
        coloured = take_channels(samples, 3)
        for index in range(len(samples)):
            assert np.array_equal(coloured[index][0], np.repeat(samples[index][0], 3, 0))
            assert coloured[index][1] == samples[index][1]
        assert np.array_equal(find_targets(coloured), find_targets(samples))  # type: ignore[arg-type]
        assert peek_sample(coloured, 0).channels == 3
    assert isinstance(take_channels(ARRAYS, 3), ChannelSamples)
    assert take_channels(ARRAYS, 1) is ARRAYS


def test_samples_travel_to_other_processes(tmp_path: Path) -> None:
    samples = Subset(save_some(tmp_path), np.array([3, 0]))
    travelled = pickle.loads(pickle.dumps(samples))
    assert np.array_equal(travelled[0][0], samples[0][0])
