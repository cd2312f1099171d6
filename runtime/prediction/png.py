"""Pictures as PNG files: how arrays become pixels, and who drew them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array
from archspec.errors import InputError
from archspec.extras import extra
from archspec.files import write_whole
from archspec.replacing import PNG, check_gives_way

with extra("run"):
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

PAPER, INK, FAINT, LINE = "#fcfcfb", "#1d2429", "#6d777f", "#dde1e4"
GAP, MARGIN = 14, 36


def to_pixels(image: Array) -> npt.NDArray[np.uint8]:
    """Turn (C, H, W) in [0, 1] into 8-bit pixels, (H, W) for one channel and (H, W, 3) for three."""
    if len(image) not in (1, 3):
        raise InputError(f"cannot draw an image of {len(image)} channels")
    pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return pixels[0] if len(image) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))


def save_picture(path: str | Path, picture: Image.Image, *, optimize: bool = False) -> None:
    """Write a PNG that says who drew it. Raises InputError where a file is there that somebody else drew."""
    check_gives_way(path, PNG)
    mark = PngInfo()
    mark.add_text("Software", "archspec")
    with write_whole(path) as temporary:
        picture.save(temporary, format="PNG", optimize=optimize, pnginfo=mark)
