"""Masks keep the numbers that they store: entries of a palette, bits, levels of any depth, and colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.errors import InputError
from runtime.pictures.mask import open_mask
from tests.support.folders import draw_pixels, save_pixels
from tests.support.pngs import write_huge_png, write_palette_png, write_png, write_shallow_png


@pytest.mark.parametrize(("depth", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_levels_are_kept(tmp_path: Path, depth: int, dtype: type) -> None:
    pixels = np.random.default_rng(0).integers(0, 1 << depth, (5, 7, 1))
    found = open_mask(write_png(tmp_path / "a.png", pixels, depth))
    assert found.dtype == dtype
    assert np.array_equal(found, pixels[..., 0])


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_numbers_of_few_bits_are_not_spread(tmp_path: Path, depth: int) -> None:
    """Pillow makes levels of 255 of them, as for a picture that is looked at; a mask's 1 is class 1."""
    numbers = np.random.default_rng(0).integers(0, 1 << depth, (5, 8))
    path = write_shallow_png(tmp_path / "a.png", numbers, depth)
    assert np.array_equal(open_mask(path), numbers)
    with Image.open(path) as picture:
        assert np.asarray(picture.convert("L")).max() == 255, "the control: what a picture would be"


def test_a_palette_gives_its_entries_and_not_its_colours(tmp_path: Path) -> None:
    entries = draw_pixels((5, 7), most=4)
    colours = [(0, 0, 0), (255, 0, 0), (255, 0, 0), (9, 9, 9)]
    for alphas in (b"\xff", b"\0\x80\xff"):
        found = open_mask(write_palette_png(tmp_path / "a.png", entries, colours, alphas))
        assert np.array_equal(found, entries), "a transparent entry is a number like any other"


def test_colours_are_kept_and_gray_ones_are_levels(tmp_path: Path) -> None:
    colours = draw_pixels((5, 7, 3))
    assert np.array_equal(open_mask(save_pixels(tmp_path / "a.png", colours)), colours)
    gray = colours[..., :1].repeat(3, 2)
    assert np.array_equal(open_mask(save_pixels(tmp_path / "b.png", gray)), gray[..., 0])
    full = np.full((5, 7, 1), 255, np.uint8)
    assert np.array_equal(open_mask(save_pixels(tmp_path / "c.png", np.dstack([colours, full]))), colours)
    assert np.array_equal(open_mask(save_pixels(tmp_path / "d.png", np.dstack([gray[..., :1], full]))), gray[..., 0])


def test_a_mask_turns_as_its_image_does(tmp_path: Path) -> None:
    pixels = draw_pixels((4, 6), most=5)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(open_mask(tmp_path / "a.png"), np.rot90(pixels, -1))


def test_what_is_no_mask_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    save_pixels(tmp_path / "half.png", np.dstack([draw_pixels((5, 7, 3)), np.full((5, 7), 9, np.uint8)]))
    save_pixels(tmp_path / "lossy.jpg", draw_pixels((5, 7)))
    write_png(tmp_path / "deep.png", np.random.default_rng(0).integers(0, 1 << 16, (5, 7, 3)), 16)
    write_png(tmp_path / "deeper.png", np.random.default_rng(0).integers(0, 1 << 16, (5, 7, 2)), 16)
    whole = save_pixels(tmp_path / "whole.png", draw_pixels((50, 70))).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    messages = {
        "text.png": "text.png is no PNG or JPEG",
        "half.png": "is a mask that is transparent in places",
        "lossy.jpg": "is a JPEG picture, whose losses change the numbers of a mask: give PNG",
        "deep.png": "is a mask whose colours have 16 bits",
        "deeper.png": "is a mask whose colours have 16 bits",
        "cut.png": "cut.png is a broken picture",
        "gone.png": "gone.png does not exist",
        write_huge_png(tmp_path / "huge.png", 1 << 16).name: "is too large a picture",
    }
    for name, message in messages.items():
        with pytest.raises(InputError, match=message):
            open_mask(tmp_path / name)
