"""Pillow's resizing, which is torchvision's and timm's, of arrays with their channels first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archspec.arrays import Array
from archspec.extras import extra
from runtime.pictures.preprocess import LEVELS

with extra("run"):
    from PIL import Image

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def resize_picture(image: Array, interpolation: str, size: Sequence[int]) -> Array:
    """Resize a picture (C, height, width) in uint8, uint16 or float32 with antialiasing, in its own type: of eight bits
    Pillow rounds after each axis, of sixteen once, at the end."""
    if image.dtype == np.uint8 and len(image) == 3:
        return np.moveaxis(_resize(np.moveaxis(image, 0, 2), interpolation, size), 2, 0)
    if image.dtype == np.uint8:
        return np.stack([_resize(channel, interpolation, size) for channel in image])
    made = np.stack([_resize(channel.astype(np.float32), interpolation, size) for channel in image])
    whole = LEVELS.get(image.dtype)
    return made if whole is None else np.rint(made).clip(0, whole).astype(image.dtype)


def _resize(pixels: Array, interpolation: str, size: Sequence[int]) -> Array:
    height, width = size
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(picture.resize((width, height), FILTERS[interpolation]))
