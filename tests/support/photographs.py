"""Photographs that tests draw: smooth shades with edges and grain, as JPEG stores them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from archspec.arrays import Array


def draw_photograph(seed: int, height: int, width: int) -> Array:
    """Pixels (height, width, 3) in uint8: a sky, some discs and squares, and noise."""
    chance = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    picture = np.stack([chance.uniform(40, 200) + 60 * rows * chance.uniform(-1, 1) for _ in range(3)], -1)
    for _ in range(8):
        x, y, size, colour = *chance.uniform(0, 1, 2), chance.uniform(0.03, 0.25), chance.uniform(0, 255, 3)
        inside = (
            (rows - y) ** 2 + (columns - x) ** 2 < size**2
            if chance.random() < 0.5
            else np.maximum(abs(rows - y), abs(columns - x)) < size
        )
        picture = np.where(inside[..., None], colour + 30 * np.sin(9 * columns / size)[..., None], picture)
    return np.clip(picture + chance.normal(0, 6, (height, width, 1)), 0, 255).astype(np.uint8)


def write_photographs(folder: Path, count: int, size: tuple[int, int] = (120, 160), classes: int = 2) -> Path:
    """Write JPEGs into folders of classes; some are upright, some not as EXIF says."""
    for number in range(count):
        path = folder / "abc"[number % classes] / f"{number:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[0x0112] = 6 if number % 5 == 3 else 1
        Image.fromarray(draw_photograph(number, *size)).save(path, quality=88, exif=exif)
    return folder
