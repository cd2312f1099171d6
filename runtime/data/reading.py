"""Images of a data set from PNG and JPEG files, by the rule by which `run` reads them: upright, at their full depth.

Gray images have one channel and coloured ones, those with a palette too, three. Where data have both, gray ones become
three equal channels. What is transparent is laid on a ground, and needs one.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from archspec.arrays import Array
from archspec.errors import InputError, raising
from archspec.extras import extra
from archspec.files import check_is_file
from runtime.data.stored import StoredImage
from runtime.pictures.file import FORMATS, MAX_PIXELS, ORIENTATION, Ground, open_picture

with extra("train"):
    from PIL import Image

GRAY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F")
"""Pillow's modes of pictures that have one channel."""

SIDEWAYS = (5, 6, 7, 8)
"""The values of EXIF's orientation by which rows become columns."""


def read_image(path: str | Path, channels: int | None = None, ground: Ground | None = None) -> Array:
    """Read a PNG or JPEG as (C, H, W) in uint8 or uint16, with as many channels as it has, or as `channels` says, as
    `run` reads it for a network that takes so many.

    Raises InputError, naming the file, where it is missing, broken, too large, no picture, or transparent without a
    ground.
    """
    picture = open_picture(path)
    return picture.take_levels(channels or picture.bands.shape[2], ground)


@raising(InputError)
def peek_image(path: str | Path) -> StoredImage:
    """Read the head of a PNG or JPEG alone. Raises InputError, naming the file, where that is missing or broken.

    A PNG may say behind its pixels that it is turned; only `read_image` sees that.
    """
    check_is_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as picture:
                height, width = picture.height, picture.width
                turned = _read_orientation(picture) in SIDEWAYS
                mode = picture.mode
    except Exception:  # what is wrong is told by whoever decodes the whole
        picture_read = open_picture(path)
        return StoredImage(picture_read.bands.shape[2], picture_read.size)
    if height * width > MAX_PIXELS:
        raise InputError(f"{path} is too large a picture: more than {MAX_PIXELS:,} pixels")
    return StoredImage(1 if mode in GRAY_MODES else 3, (width, height) if turned else (height, width))


def _read_orientation(picture: Image.Image) -> object:
    if "exif" not in picture.info:
        return None
    try:
        return picture.getexif().get(ORIENTATION)
    except Exception:  # EXIF may be broken, and nothing else of the picture is then
        return None
