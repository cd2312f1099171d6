"""A sheet of samples of some data, each with what is asked of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError, InputError
from archspec.wording import cut
from runtime.data.check import DataFindings
from runtime.data.dataset import Dataset
from runtime.data.measuring import spread, survey
from runtime.data.source import DataSource, Subset, take_channels
from runtime.pictures.geometry import NOT_ASKED
from runtime.pictures.preprocess import Preprocess
from runtime.prediction.sheets import save_sheet
from runtime.tasks.drawing import Areas, OverlaySheet, Points, Tile
from runtime.tasks.grid import OutputGrid

SAMPLES = 16
"""The number of samples on a sheet."""

SIDE = 160
"""The longest side of an image on a sheet, in pixels."""


def save_samples(path: str | Path, source: DataSource, found: DataFindings) -> None:
    """Write a PNG of samples spread over the data, each with its class, or its areas or joints drawn on it.

    Raises InputError where no sample can be read, they are no pictures, or a file is there that somebody else drew.
    """
    seen = survey(source.samples)
    kept = [index for index in spread(len(source.samples), SAMPLES) if _is_readable(source, index)]
    if not kept or len(seen.median) != 2:
        raise InputError(f"{source.name} has no pictures to draw on a sheet")
    height, width = seen.median
    scale = SIDE / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    plain = Preprocess(seen.channels, size, (0.0,) * seen.channels, (1.0,) * seen.channels)
    samples = Subset(take_channels(source.samples, seen.channels), np.array(kept, np.int64))
    data = Dataset(source.name, samples, samples, source.classes, plain, source.task)
    tiles = [
        Tile(number, *_describe(source, data.held_out.labels[number], size, source.names[index]))
        for number, index in enumerate(kept)
    ]
    save_sheet(path, plain.restore(data.held_out.images), OverlaySheet(tiles, f"{len(tiles)} samples"), found.name)


def _is_readable(source: DataSource, index: int) -> bool:
    try:
        source.samples[index]
    except ArchspecError:
        return False
    return True


def _describe(source: DataSource, label: Array, size: tuple[int, int], name: str) -> tuple[Areas | Points, str]:
    """Give what is drawn on an image, and the caption beneath."""
    last = cut(name.rpartition("/")[2], 18)
    if source.task == "maps":
        return Areas(np.where(label == NOT_ASKED, 0, label), OutputGrid(size, size)), last
    if source.task == "joints":
        return Points(np.column_stack([label, np.ones(len(label))])), last
    return Points(np.empty((0, 3))), cut(source.classes[int(label)], 18)
