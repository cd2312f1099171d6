"""The picture shows what it should, and red means wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.errors import ArchspecError
from runtime.prediction.overlays import colour_of, draw_overlay
from runtime.prediction.png import to_pixels
from runtime.prediction.sheets import WRONG, arrange_images, save_sheet
from runtime.tasks.drawing import LabelSheet, OverlaySheet, Points, Tile

LABELS = [str(index % 10) for index in range(100)]
IMAGES = np.random.default_rng(0).uniform(0, 1, (100, 1, 8, 8))


def count_red(path: Path) -> int:
    red = tuple(int(WRONG[start : start + 2], 16) for start in (1, 3, 5))
    return int((np.asarray(Image.open(path)) == red).all(axis=-1).sum())


def test_wrong_ones_come_first_and_right_ones_by_class() -> None:
    predictions = ["x" if index in (3, 50) else label for index, label in enumerate(LABELS)]
    rows = arrange_images(LABELS, predictions, 40)
    assert rows[0] == [3, 50]
    assert [[LABELS[index] for index in row] for row in rows[1:]] == [list("0123456789")] * 3
    assert rows[1][:4] == [10 * (place == 0) * (predictions[0] == "x") + place for place in range(3)] + [13]


def test_few_images_are_all_shown() -> None:
    assert arrange_images(["a", "b"], ["a", "b"], 40) == [[0, 1]]
    assert arrange_images(LABELS, ["x"] * 100, 40) == [list(range(start, start + 10)) for start in range(0, 40, 10)]


def test_red_is_for_wrong_ones_alone(tmp_path: Path) -> None:
    save_sheet(tmp_path / "right.png", IMAGES, LabelSheet(LABELS, LABELS), "test")
    assert count_red(tmp_path / "right.png") == 0
    save_sheet(tmp_path / "wrong.png", IMAGES, LabelSheet(LABELS, ["7", *LABELS[1:]]), "test")
    assert count_red(tmp_path / "wrong.png") > 1000
    with Image.open(tmp_path / "wrong.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 1000


def test_digits_are_enlarged_without_blur(tmp_path: Path) -> None:
    """Every shade of the tile is one of the image's own."""
    image = np.linspace(0, 1, 64).reshape(1, 1, 8, 8)
    save_sheet(tmp_path / "p.png", image, LabelSheet(["a"], ["a"]), "test")
    sheet = np.asarray(Image.open(tmp_path / "p.png"))
    tile = sheet[92 : 92 + 88, 36 : 36 + 88, 0]
    assert np.array_equal(tile[5::11, 5::11], to_pixels(image[0]))
    assert np.array_equal(np.unique(tile), np.unique(to_pixels(image[0])))


def test_long_names_and_colours_fit(tmp_path: Path) -> None:
    names = ["a class with a very long name", "b"]
    save_sheet(tmp_path / "p.png", np.zeros((2, 3, 5, 7)), LabelSheet(names, names[::-1]), "test")
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match="cannot draw 100 images, 99 labels, 100 predictions"):
        save_sheet(tmp_path / "p.png", IMAGES, LabelSheet(LABELS[1:], LABELS), "test")
    with pytest.raises(ArchspecError, match="cannot draw 0 images"):
        save_sheet(tmp_path / "p.png", IMAGES[:0], LabelSheet([], []), "test")
    with pytest.raises(ArchspecError, match="an image of 2 channels"):
        save_sheet(tmp_path / "p.png", np.zeros((1, 2, 3, 3)), LabelSheet(["a"], ["a"]), "test")
    assert not list(tmp_path.iterdir())


def test_a_sheet_holds_every_picture(tmp_path: Path) -> None:
    overlay = Points(np.array([[2.0, 5.0, 1.0]]))
    tiles = [Tile(number, overlay, str(number)) for number in range(5)]
    save_sheet(tmp_path / "s.png", np.full((5, 1, 8, 8), 0.5), OverlaySheet(tiles, "note"), "title")
    sheet = np.asarray(Image.open(tmp_path / "s.png"))
    dots = (sheet == colour_of(1)).all(-1).sum()
    assert dots == 5 * (np.asarray(draw_overlay(np.full((1, 8, 8), 0.5), overlay)) == colour_of(1)).all(-1).sum()
