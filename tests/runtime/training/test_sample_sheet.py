"""The picture of training images: what is asked lies where it is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from archspec.arrays import Array
from archspec.errors import InputError
from runtime.data.cache import open_samples
from runtime.data.dataset import ArraySamples, Dataset
from runtime.data.loader import make_loader
from runtime.data.registry import load_data
from runtime.pictures.preprocess import Preprocess
from runtime.prediction.overlays import colour_of
from runtime.recipes.data import AugmentSection
from runtime.recipes.recipe import Recipe
from runtime.training.sample_sheet import SHOWN, save_sample_sheet
from tests.support.blobs import as_data

LEFT, TOP, GAP, CAPTION = 36, 92, 14, 26
"""Where the first image is on a sheet, what is between images, and what is beneath one, in pixels."""


def draw(path: Path, data: Dataset, **section: Any) -> Array:
    recipe = Recipe(batch=5, augment=AugmentSection(**section))
    save_sample_sheet(path, data, open_samples(data, data.train, recipe.data), recipe)
    return np.asarray(Image.open(path))


def cut(sheet: Array, number: int, side: int) -> Array:
    row, column = divmod(number, 4)
    top, left = TOP + row * (side + CAPTION + GAP), LEFT + column * (side + GAP)
    return sheet[top : top + side, left : left + side]


def test_the_images_are_those_of_the_first_steps(tmp_path: Path) -> None:
    data = load_data("digits")
    sheet = draw(tmp_path / "a.png", data, shift=1)
    recipe = Recipe(batch=5, augment=AugmentSection(shift=1))
    with make_loader(data, open_samples(data, data.train, recipe.data), recipe, training=True) as loader:
        images = np.concatenate([batch.images.numpy() for batch, _ in zip(loader, range(4), strict=False)])
    for number in range(SHOWN):
        shown = cut(sheet, number, 256)[16::32, 16::32, 0]
        assert np.abs(shown / 255 - images[number, 0]).max() < 1 / 255
    assert Image.open(tmp_path / "a.png").text["Software"] == "archspec"  # type: ignore[attr-defined]


def test_classes_of_pixels_have_their_colours(tmp_path: Path) -> None:
    """One half of each image is of the second class, whichever way it was mirrored, one pixel is not asked."""
    images, maps = np.full((20, 1, 32, 32), 60, np.uint8), np.zeros((20, 32, 32), np.uint8)
    images[:, :, :, 16:], maps[:, :, 16:], maps[:, 0, 0] = 200, 1, 255
    sheet = draw(tmp_path / "a.png", as_data(images, maps, "maps"), flip="horizontal")
    mixed = 0.4 * 200 + 0.6 * np.array(colour_of(1))
    sides = set()
    for number in range(SHOWN):
        found = cut(sheet, number, 256).astype(float)
        bright = found[128, 40, 0] != 60
        sides.add(bright)
        light, dark = (found[100:, :128], found[100:, 128:]) if bright else (found[100:, 128:], found[100:, :128])
        assert np.abs(light - mixed).max() <= 1
        assert (dark == 60).all()
    assert sides == {True, False}
    assert (sheet[-30:] == colour_of(1)).all(2).any()  # the key


def test_joints_are_dots_and_those_that_are_not_labelled_are_not_there(tmp_path: Path) -> None:
    points = np.tile(np.array([[8, 24, 2], [20, 6, 0], [30, 30, 1]], np.float32), (3, 1, 1))
    data = as_data(np.zeros((3, 3, 32, 32), np.uint8), points, "joints")
    sheet = draw(tmp_path / "a.png", data)
    tile = cut(sheet, 0, 256)
    assert (tile[24 * 8 + 4, 8 * 8 + 4] == colour_of(1)).all()
    assert (tile[30 * 8 + 4, 30 * 8 + 4] == colour_of(3)).all()
    assert not (tile == colour_of(2)).all(2).any()


def test_large_images_become_smaller_and_others_than_pictures_are_shown(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(0, 5, (4, 5, 600, 400)).astype(np.float32)
    sheet = draw(tmp_path / "a.png", as_data(values, np.zeros(4, np.int64)))
    assert sheet.shape == (92 + 400 + 26 + 36, 2 * 36 + 4 * (266 + 14) - 14, 3)
    volumes = np.zeros((2, 1, 8, 16, 16), np.uint8)
    volumes[:, :, 4] = 200
    data = as_data(volumes, np.zeros((2, 8, 16, 16), np.uint8), "maps")
    drawn = cut(draw(tmp_path / "b.png", data), 0, 256)
    assert drawn[:3, :3].min() > 150, "the plane across the depth"
    assert drawn[-3:, :3].min() > 150
    assert drawn[:3, -3:].max() < 100, "a plane along it, whose ends are dark"


def test_signals_have_no_picture_and_others_files_stay(tmp_path: Path) -> None:
    data = as_data(np.zeros((3, 1, 50), np.float32), np.zeros(3, np.int64))
    recipe = Recipe(batch=2)
    save_sample_sheet(tmp_path / "a.png", data, open_samples(data, data.train, recipe.data), recipe)
    assert not (tmp_path / "a.png").exists()
    (tmp_path / "a.png").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"a\.png is there already"):
        draw(tmp_path / "a.png", load_data("digits"))


def test_numbers_that_name_no_class_are_named_by_their_image(tmp_path: Path) -> None:
    samples = ArraySamples(np.zeros((2, 1, 8, 8), np.uint8), np.array([0, 7]))
    data = Dataset("odd", samples, samples, ("only",), Preprocess(1, (8, 8), (0.5,), (0.5,)))
    assert draw(tmp_path / "a.png", replace(data)).shape[2] == 3
