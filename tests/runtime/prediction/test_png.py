"""Pixels are those of the image, and a file says who drew it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.errors import ArchspecError
from runtime.prediction.png import save_picture, to_pixels


def test_pixels_are_rounded_and_cut() -> None:
    gray = to_pixels(np.array([[[-1.0, 0.0, 0.5, 1.0, 7.0]]]))
    assert gray.tolist() == [[0, 0, 128, 255, 255]]
    colours = to_pixels(np.stack([np.zeros((2, 3)), np.ones((2, 3)), np.zeros((2, 3))]))
    assert colours.shape == (2, 3, 3)
    assert (colours == [0, 255, 0]).all()
    with pytest.raises(ArchspecError, match="cannot draw an image of 2 channels"):
        to_pixels(np.zeros((2, 3, 3)))


def test_only_what_was_drawn_is_replaced(tmp_path: Path) -> None:
    first, second = (Image.fromarray(np.full((2, 2), shade, np.uint8)) for shade in (3, 4))
    save_picture(tmp_path / "a.png", first)
    save_picture(tmp_path / "a.png", second)
    with Image.open(tmp_path / "a.png") as picture:
        assert np.asarray(picture).tolist() == [[4, 4], [4, 4]]
        assert picture.info["Software"] == "archspec"
    first.save(tmp_path / "mine.png")
    with pytest.raises(ArchspecError, match="does not hold a PNG of archspec's"):
        save_picture(tmp_path / "mine.png", second)
