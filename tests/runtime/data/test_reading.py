"""Images are read as `run` reads them: upright, at their full depth, in the channels that the data have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from archspec.errors import InputError
from runtime.data.reading import peek_image, read_image
from runtime.data.stored import StoredImage
from runtime.pictures.file import open_picture
from tests.support.folders import draw_pixels, save_pixels
from tests.support.pngs import add_chunk, write_huge_png, write_palette_png, write_png


@pytest.mark.parametrize(("depth", "dtype"), [(8, np.uint8), (16, np.uint16)])
@pytest.mark.parametrize("bands", [1, 3])
def test_no_level_is_lost(tmp_path: Path, bands: int, depth: int, dtype: type) -> None:
    pixels = np.random.default_rng(0).integers(0, 1 << depth, (5, 7, bands))
    path = write_png(tmp_path / "a.png", pixels, depth)
    image = read_image(path)
    assert image.dtype == dtype
    assert np.array_equal(image, np.moveaxis(pixels, 2, 0))
    assert peek_image(path) == StoredImage(bands, (5, 7))
    assert np.array_equal(read_image(path, 3), np.broadcast_to(image, (3, 5, 7)))
    gray = read_image(path, 1)
    assert gray.dtype == dtype
    if depth == 8:
        assert np.array_equal(gray[0], np.asarray(Image.open(path).convert("L"))), "Pillow's luma is the witness"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_images_are_upright_and_so_are_their_heads(tmp_path: Path, orientation: int, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{ending}"
    Image.fromarray(draw_pixels((8, 16, 3))).save(path, exif=exif, quality=100)
    with Image.open(path) as picture:
        witness = np.asarray(ImageOps.exif_transpose(picture))
    assert np.array_equal(read_image(path), np.moveaxis(witness, 2, 0))
    assert peek_image(path) == StoredImage(3, witness.shape[:2])


def test_broken_exif_turns_nothing(tmp_path: Path) -> None:
    path = save_pixels(tmp_path / "a.png", draw_pixels((8, 16, 3)))
    add_chunk(path, b"IDAT", b"eXIf", b"MM\0*\xff\xff\xff\xff\0\0")
    assert peek_image(path).extents == read_image(path).shape[1:] == (8, 16)


def test_a_palette_and_cmyk_are_colours_and_bits_are_gray(tmp_path: Path) -> None:
    path = write_palette_png(tmp_path / "a.png", draw_pixels((5, 7), most=2), [(1, 2, 3), (4, 5, 6)], b"\xff")
    assert peek_image(path) == StoredImage(*_split(read_image(path)))
    assert set(read_image(path)[:, 0, 0].tolist()) in ({1, 2, 3}, {4, 5, 6})
    Image.fromarray(draw_pixels((8, 16, 4)), "CMYK").save(tmp_path / "b.jpg")
    assert peek_image(tmp_path / "b.jpg") == StoredImage(*_split(read_image(tmp_path / "b.jpg"))) == (3, (8, 16))
    Image.fromarray(draw_pixels((5, 7), most=2) > 0).save(tmp_path / "c.png")
    found = read_image(tmp_path / "c.png")
    assert (set(found.ravel().tolist()), found.shape) == ({0, 255}, (1, 5, 7))


def _split(image: np.ndarray) -> tuple[int, tuple[int, ...]]:
    return image.shape[0], image.shape[1:]


def test_what_is_transparent_needs_a_ground_and_becomes_levels_on_it(tmp_path: Path) -> None:
    pixels = draw_pixels((5, 7, 4))
    path = save_pixels(tmp_path / "a.png", pixels)
    with pytest.raises(InputError, match=r"a\.png is transparent in places"):
        read_image(path)
    found = read_image(path, ground=(255, 255, 255))
    with Image.open(path) as picture:
        witness = Image.alpha_composite(Image.new("RGBA", picture.size, (255, 255, 255, 255)), picture)
    assert found.dtype == np.uint8
    assert np.abs(np.moveaxis(found, 0, 2).astype(int) - np.asarray(witness)[..., :3]).max() <= 1
    assert np.array_equal(found, open_picture(path).take_levels(3, (255, 255, 255))), "as `run` has it"
    opaque = save_pixels(tmp_path / "b.png", np.dstack([pixels[..., :3], np.full((5, 7), 255, np.uint8)]))
    assert np.array_equal(read_image(opaque), np.moveaxis(pixels[..., :3], 2, 0)), "nothing shows through"


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    whole = save_pixels(tmp_path / "whole.png", draw_pixels((50, 70))).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    write_huge_png(tmp_path / "huge.png", 1 << 16)
    for name, message in {"text.png": "is no PNG", "gone.png": "does not exist", "huge.png": "too large"}.items():
        for function in (read_image, peek_image):
            with pytest.raises(InputError, match=message):
                function(tmp_path / name)
    assert peek_image(tmp_path / "cut.png") == StoredImage(1, (50, 70)), "a head is not the whole"
    with pytest.raises(InputError, match=r"cut\.png is a broken picture"):
        read_image(tmp_path / "cut.png")
