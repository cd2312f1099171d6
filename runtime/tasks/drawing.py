"""What is drawn of answers, as plain data: a task says it, and `runtime.prediction` draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from archspec.arrays import Array
from runtime.tasks.grid import OutputGrid


@dataclass(frozen=True, eq=False, slots=True)
class Areas:
    """The class of each position, (*extents) in integers, of a grid on an image: each has the colour of its number, and
    0 leaves the image as it is."""

    classes: Array
    grid: OutputGrid


@dataclass(frozen=True, eq=False, slots=True)
class Points:
    """Positions on an image, rows x, y, … in its pixels: found ones as dots and true ones as rings, both in the colours
    1, 2, … of their places in the rows. A row with NaN is not there."""

    found: Array
    true: Array | None = None


Overlay: TypeAlias = Areas | Points


@dataclass(frozen=True, eq=False, slots=True)
class Drawing:
    """The overlay on the image of one answer, and the names of what it shows, each with the number of its colour."""

    overlay: Overlay
    legend: tuple[tuple[int, str], ...]


@dataclass(frozen=True, eq=False, slots=True)
class LabelSheet:
    """A sheet of images with the names of the true and of the predicted class of each, in the images' order."""

    true: Sequence[str]
    predicted: Sequence[str]


class Tile(NamedTuple):
    """The image of that number with an overlay, and a caption beneath."""

    image: int
    overlay: Overlay
    caption: str


@dataclass(frozen=True, eq=False, slots=True)
class OverlaySheet:
    """A sheet of images with overlays, and a note that explains these."""

    tiles: Sequence[Tile]
    note: str


Sheet: TypeAlias = LabelSheet | OverlaySheet
