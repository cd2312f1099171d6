"""A picture of training images as a network sees them, varied and with what is asked of them, before it begins."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archspec.arrays import Array
from runtime.data.dataset import Dataset
from runtime.data.loader import Workers, make_loader
from runtime.data.preparing import scale_levels
from runtime.data.sized import SizedSamples
from runtime.prediction.answer_pictures import stretch
from runtime.prediction.overlays import SIDE, add_key
from runtime.prediction.png import save_picture
from runtime.prediction.sheets import draw_tiles
from runtime.prediction.slices import lay_slices
from runtime.recipes.recipe import Recipe
from runtime.tasks.drawing import Areas, Overlay, OverlaySheet, Points, Tile
from runtime.tasks.grid import OutputGrid
from runtime.tasks.registry import find_task
from runtime.tasks.task import Task

SHOWN = 16
"""The number of images on the picture."""

MAX_CAPTION = 32
"""The largest number of letters beneath an image."""

NOTE = "as the network sees them in its first steps, before they are normalized; each epoch varies them anew"


def save_sample_sheet(path: str | Path, data: Dataset, samples: SizedSamples, recipe: Recipe) -> None:
    """Write a PNG of the first images that a training sees, with their classes, maps or joints; of volumes three
    planes. Signals along one axis have no picture, and nothing is written.

    Raises InputError where a sample cannot be read, or a file is there that somebody else drew.
    """
    if len(data.preprocess.size) == 1:
        return
    batch = make_loader(data, samples, recipe, training=True, workers=Workers(0)).peek(min(SHOWN, len(samples)))
    task, pictures, tiles = find_task(data.task), list[Array](), list[Tile]()
    for image, label, index in zip(batch.images.numpy(), batch.targets.numpy(), batch.indices.tolist(), strict=True):
        picture, overlay = _shrink(*_slice(scale_levels(image), label, task), task)
        named = label.ndim == 0 and label.dtype.kind == "i" and 0 <= label < len(data.classes)
        said = data.classes[int(label)] if named else Path(samples.name(index)).name
        tiles.append(Tile(len(pictures), overlay, said[:MAX_CAPTION]))
        pictures.append(_show(picture))
    title = f"{data.name}: {len(tiles)} of {len(samples):,} training images"
    sheet = draw_tiles(np.stack(pictures), OverlaySheet(tiles, NOTE), title)
    legend = [] if task.target == "whole" else list(enumerate(data.classes, task.first_colour))
    save_picture(path, add_key(sheet, legend) if legend else sheet)


def _slice(image: Array, label: Array, task: Task) -> tuple[Array, Array]:
    """Three planes through the middle of a volume (C, depth, height, width) and of its map; pictures as they are."""
    if image.ndim < 4:
        return image, label
    return lay_slices(image), lay_slices(label) if task.target == "map" else label


def _shrink(image: Array, label: Array, task: Task) -> tuple[Array, Overlay]:
    """A picture (C, H, W) with at most SIDE pixels along its longer side, each the mean of a square of its pixels, and
    what is asked of it as an overlay."""
    times = -(-max(image.shape[1:]) // SIDE)
    height, width = (max(1, extent // times) for extent in image.shape[1:])
    rows, columns = (min(times, extent) for extent in image.shape[1:])
    squares = image[:, : height * rows, : width * columns].reshape(len(image), height, rows, width, columns)
    small = squares.mean((2, 4))
    if task.target == "points":
        return small, Points((label + 0.5) / times - 0.5)
    classes = np.zeros((height, width), np.int64)
    if task.target == "map":
        classes = label[: height * rows : rows, : width * columns : columns].astype(np.int64)
    return small, Areas(np.where(classes == task.ignored, 0, classes), OutputGrid((height, width), (height, width)))


def _show(image: Array) -> Array:
    """A picture of one channel or three with values in [0, 1]: other channels than these are left out, and values
    beyond are stretched from the lowest to the highest."""
    shown = image[:3] if len(image) >= 3 else image[:1]
    return shown if shown.min() >= 0 and shown.max() <= 1 else stretch(shown)
