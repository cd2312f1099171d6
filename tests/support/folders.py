"""Folders of data, drawn: pictures in class folders, and pairs of pictures and masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def draw_pixels(shape: tuple[int, ...], seed: int = 0, most: int = 256) -> np.ndarray:
    """Levels below `most`, at random."""
    return np.random.default_rng(seed).integers(0, most, shape).astype(np.uint8)


def save_pixels(path: Path, pixels: np.ndarray) -> Path:
    """Save pixels (H, W), (H, W, 2 to 4) in a file whose name says the format, in folders that are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_class_folders(
    folder: Path, counts: Mapping[str, int], shape: tuple[int, ...] = (8, 9, 3), ending: str = ".png"
) -> Path:
    """Pictures in folders, as many as `counts` says of each; all are different."""
    for number, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            save_pixels(folder / name / f"{index:03}{ending}", draw_pixels(shape, 1000 * number + index))
    return folder


def write_mask_pairs(
    folder: Path, names: Sequence[str], classes: int = 3, shape: tuple[int, ...] = (8, 9)
) -> dict[str, np.ndarray]:
    """Pictures in images/ and masks of classes in masks/, all different; the masks by their names."""
    masks = {}
    for seed, name in enumerate(names):
        save_pixels(folder / "images" / f"{name}.png", draw_pixels(shape, seed))
        masks[name] = draw_pixels(shape[:2], seed + 500, classes)
        save_pixels(folder / "masks" / f"{name}.png", masks[name])
    return masks
