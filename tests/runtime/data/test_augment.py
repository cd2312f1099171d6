"""Cuts at random and mirrors, of images, maps and positions together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.errors import InputError
from runtime.data.augment import Augmentation, CentreCut, RandomCut, make_augmentation
from runtime.data.dataset import Dataset
from runtime.data.preparing import cut_sample
from runtime.data.registry import load_data
from runtime.pictures.frame import Frame
from runtime.pictures.preprocess import Preprocess
from runtime.recipes.data import AugmentSection
from runtime.tasks.registry import find_task
from tests.support.blobs import as_data, draw_blobs, find_blobs
from tests.support.without import run_without

POINTS = np.array([[22.0, 18, 2], [31, 25, 1], [26, 20, 2]], np.float32)


@given(
    own=st.tuples(st.integers(5, 24), st.integers(5, 24)),
    margin=st.sampled_from([0, 1, 2, 4, 9, 60]),
    flips=st.sampled_from([(), (1,), (0,), (0, 1)]),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
    seed=st.integers(0, 2**63 - 1),
)
def test_every_pixel_is_one_of_the_image_with_its_class(
    own: tuple[int, int], margin: int, flips: tuple[int, ...], dtype: Any, seed: int
) -> None:
    """The map has the image's own values: whatever became of a pixel, its class went with it; 255 and black where there
    is no picture."""
    preprocess, task = Preprocess(1, (12, 14), (0.5,), (0.5,), resize="none"), find_task("maps")
    values = np.random.default_rng(seed % 99).integers(1, 250, (1, *own)).astype(dtype)
    cut = RandomCut(preprocess, task, margin, flips)
    image, classes = cut(values, values[0].astype(np.uint8), seed)
    assert (image.dtype, image.shape, classes.shape) == (dtype, (1, 12, 14), (12, 14))
    inside = classes != 255
    assert (image[0][inside] == classes[inside]).all()
    if all(extent >= wanted for extent, wanted in zip(own, (12, 14), strict=True)):
        assert (image[0][~inside] == 0).all()
        assert inside.all() or margin
    again = cut(values, values[0].astype(np.uint8), seed)
    assert np.array_equal(image, again[0])
    assert np.array_equal(classes, again[1])


def test_all_places_occur_as_often() -> None:
    """A margin of one pixel: nine places, each a ninth of the time (chi-squared below 26.1: 1 in 1,000)."""
    preprocess, task = Preprocess(1, (4, 4), (0.5,), (0.5,)), find_task("labels")
    image = np.zeros((1, 4, 4), np.uint8)
    image[0, 1, 2] = 9
    cut = RandomCut(preprocess, task, 1)
    places = [np.argwhere(cut(image, np.array(0), seed)[0][0] == 9)[0] for seed in range(1800)]
    counts = np.unique(np.array(places) @ [9, 1], return_counts=True)[1]
    assert len(counts) == 9
    assert ((counts - 200) ** 2 / 200).sum() < 26.1


def test_halves_are_mirrored_along_each_axis() -> None:
    preprocess, task = Preprocess(1, (2, 2), (0.5,), (0.5,)), find_task("labels")
    image = np.arange(4, dtype=np.uint8).reshape(1, 2, 2)
    cut = RandomCut(preprocess, task, 0, (0, 1))
    corners = [int(cut(image, np.array(0), seed)[0][0, 0, 0]) for seed in range(2000)]
    assert (np.abs(np.bincount(corners) - 500) < 100).all()


@pytest.mark.parametrize("seed", range(6))
def test_positions_stay_on_their_blobs_and_those_cut_away_have_no_label(seed: int) -> None:
    preprocess, task = Preprocess(3, (30, 36), (0.5,) * 3, (0.5,) * 3, resize="none"), find_task("joints")
    points = np.concatenate([POINTS, [[1, 1, 2]]]).astype(np.float32)
    image, moved = RandomCut(preprocess, task, 2, (0, 1))(draw_blobs(points[:3], 40, 50), points, seed)
    labels = task.prepare_target(moved, Frame.whole((30, 36)))
    inside = np.all((moved[:, :2] > -0.5) & (moved[:, :2] < [35.5, 29.5]), 1)
    assert np.array_equal(np.isfinite(labels[:, 0]), inside)
    assert np.abs(find_blobs(image)[inside[:3]] - labels[:3][inside[:3]]).max() < 0.25


def test_a_mirror_exchanges_the_joints_that_are_twins() -> None:
    data = replace(as_data(np.zeros((2, 3, 30, 40), np.uint8), np.zeros((2, 3, 3)), "joints"), flip_idx=(1, 0, 2))
    vary = make_augmentation(data, AugmentSection(flip="horizontal"))
    image = draw_blobs(POINTS, 30, 40)
    found = [vary(image, POINTS, seed) for seed in range(20)]
    mirrored = [points for picture, points in found if not np.array_equal(picture, image)]
    assert 0 < len(mirrored) < 20
    for points in mirrored:
        assert points[:, 0].tolist() == [39 - 31, 39 - 22, 39 - 26]
        assert points[:, 2].tolist() == [1, 2, 2]


def test_an_evaluation_cuts_the_centre_whatever_the_seed() -> None:
    preprocess, task = Preprocess(1, (6, 6), (0.5,), (0.5,), resize="none"), find_task("maps")
    image = np.arange(100, dtype=np.uint8).reshape(1, 10, 10)
    for seed in range(3):
        found = CentreCut(preprocess, task)(image, image[0], seed)
        assert np.array_equal(found[0], image[:, 2:8, 2:8])
        assert np.array_equal(found[0], cut_sample(image, image[0], preprocess, task)[0])


def test_what_cannot_be_done_is_refused() -> None:
    joints = load_data("digit_points")
    with pytest.raises(InputError, match="flip: horizontal makes a left hand a right one, and digit_points does not"):
        make_augmentation(joints, AugmentSection(flip="horizontal"))
    signals = as_data(np.zeros((2, 1, 9), np.float32), np.zeros(2, np.int64))
    mirrored = make_augmentation(signals, AugmentSection(shift=2, flip="horizontal"))
    assert isinstance(mirrored, Augmentation)
    assert mirrored.cut.flips == (0,)
    with pytest.raises(InputError, match="flip: both is of images with more axes, and these have 1 axis"):
        make_augmentation(signals, AugmentSection(flip="both"))
    with pytest.raises(InputError, match="flip: all is of images with more axes, and these have 2 axes"):
        make_augmentation(load_data("digits"), AugmentSection(flip="all"))
    with pytest.raises(InputError, match="rotate, hue are of pictures, and these images have 1 axis"):
        make_augmentation(signals, AugmentSection(rotate=3, hue=0.1))


def test_shifts_and_mirrors_need_no_torchvision() -> None:
    """The control: turning does."""
    code = """
import numpy as np
from archspec.errors import MissingExtra
from runtime.data.augment import make_augmentation
from runtime.data.registry import load_data
from runtime.recipes.data import AugmentSection
data = load_data("digits")
vary = make_augmentation(data, AugmentSection(shift=1, flip="both", pad_crop=2))
print(vary(*data.train[0], 5)[0].shape)
try:
    make_augmentation(data, AugmentSection(rotate=5))
except MissingExtra as error:
    print(error)
"""
    printed = "(1, 8, 8)\ntorchvision is not installed; run: pip install 'archspec-compiler[train]'\n"
    assert run_without(["torchvision"], code) == printed


def test_one_seed_gives_one_picture_with_all_of_it() -> None:
    data: Dataset = as_data(np.zeros((2, 3, 40, 50), np.uint8), np.zeros((2, 40, 50)), "maps", (32, 32))
    section = AugmentSection(
        flip="both", shift=2, rotate=20, zoom=[0.9, 1.1], shear=5, elastic=20, brightness=0.2, hue=0.1, noise=0.05,
        blur=0.5, erase=0.5, gray=0.2, scale=[0.5, 1.0],
    )  # fmt: skip
    vary = make_augmentation(data, section)
    image = np.random.default_rng(0).integers(0, 256, (3, 32, 32), np.uint8)
    first, again, other = (vary(image, image[0] % 3, seed) for seed in (5, 5, 6))
    assert (first[0].shape, first[0].dtype.name, first[1].shape) == ((3, 32, 32), "uint8", (32, 32))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[1], other[1])
