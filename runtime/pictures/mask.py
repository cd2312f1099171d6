"""Masks from PNG files: the numbers that are stored, and not how they are looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archspec.arrays import Array
from archspec.errors import InputError, raising
from archspec.extras import extra
from runtime.pictures.file import DEEP, DEEP_GRAY, find_turn, load_pixels, telling_damage

with extra("run"):
    from PIL import Image

STEPS = {"L;2": 85, "L;4": 17}
"""What Pillow multiplies gray of two and of four bits by, by the raw mode in which they are stored."""


@raising(InputError)
def open_mask(path: str | Path) -> Array:
    """Read a PNG as the numbers (H, W) that it stores, in uint8 or uint16: of a palette the entries' numbers, of one
    bit 0 and 1. A mask of colours gives these, (H, W, 3) in uint8; one whose colours are all gray gives their levels.
    It is turned as its EXIF says.

    Raises InputError, naming the file, where it is missing, broken, too large, no PNG, or transparent, and where its
    colours have 16 bits.
    """
    with telling_damage(path):
        return _decode(path)


def _decode(path: str | Path) -> Array:
    picture, raw, _ = load_pixels(path)
    if picture.format != "PNG":
        raise InputError(f"{path} is a {picture.format} picture, whose losses change the numbers of a mask: give PNG")
    if raw in DEEP or raw == DEEP_GRAY:
        raise InputError(f"{path} is a mask whose colours have 16 bits: give 8, or one number for each pixel")
    if picture.mode in ("LA", "RGBA", "La", "PA"):
        picture = _drop_alpha(picture, path)
    values = np.asarray(picture)
    if picture.mode == "1":
        values = values.astype(np.uint8)
    elif raw in STEPS:
        values = values // np.uint8(STEPS[raw])
    elif picture.mode.startswith("I"):
        values = values.astype(np.uint16)
    elif values.ndim == 3 and (values == values[..., :1]).all():
        values = values[..., 0]
    return np.ascontiguousarray(find_turn(picture)(values))


def _drop_alpha(picture: Image.Image, path: str | Path) -> Image.Image:
    """The picture without an alpha that is full everywhere; its EXIF stays."""
    if picture.getchannel("A").getextrema() != (255, 255):
        raise InputError(f"{path} is a mask that is transparent in places: give one without transparency")
    plain = picture.convert("RGB" if picture.mode == "RGBA" else "L")
    plain.format = picture.format
    plain.info.update(picture.info)
    return plain
