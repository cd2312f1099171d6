"""Canvases with several handwritten digits on each: real strokes, and answers that follow from where they were laid."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array, Float32Array, Float64Array
from runtime.data.dataset import ArraySamples, Dataset, measure_preprocess
from runtime.data.digits import load_digits
from runtime.pictures.geometry import NOT_ASKED

Ink = Float64Array
Lay: TypeAlias = Callable[[Ink, npt.NDArray[np.int64], int, np.random.Generator], tuple[Float64Array, Array]]
"""A function that lays digits (N, 8, 8), with values in [0, 1], and their classes (N,) on a number of canvases
(count, C, H, W) by a source of chance, and gives these and their labels."""

MAP_SIDE, MAP_DIGITS = 32, (3, 5)
"""The side of a canvas for maps, in pixels, and the fewest and most digits on it."""

POINT_SIDE, POINT_SCALE, JOINTS = 64, 2, 3
"""The side of a canvas for joints, in pixels, how many pixels wide one of a digit becomes, and the digits on it."""

SURE_INK = 0.25
"""The least ink, of 1, with which a pixel is the digit's; with less, but some, nobody knows."""

DARKEST_TINT = 0.5
"""The least of a colour's channels, of 1."""

TRAIN_CANVASES, TEST_CANVASES = 480, 120
"""The numbers of canvases in the two parts."""


def load_digit_maps() -> Dataset:
    """Make 600 canvases of 32×32 pixels with three to five digits on each, 480 of them to train; each pixel has a
    class.

    A pixel is the digit's whose stroke it is. The faint ones around a stroke, below a quarter of full ink, are not
    asked: in 17 shades nobody knows where a stroke ends.
    """
    return _lay_out("digit_maps", "maps", ("background", *map(str, range(10))), lay_maps)


def load_digit_points() -> Dataset:
    """Make 600 colour canvases of 64×64 pixels with a zero, a one and a two on each, twice as large as they were, 480
    of them to train; the centre of mass of each digit's ink is a joint."""
    return _lay_out("digit_points", "joints", ("zero", "one", "two"), lay_points)


def _lay_out(name: str, task: str, classes: tuple[str, ...], lay: Lay) -> Dataset:
    """A data set of canvases; those held out are made of digits that are held out."""
    digits = load_digits()
    parts = []
    for part, count, seed in ((digits.training, TRAIN_CANVASES, 1), (digits.held_out, TEST_CANVASES, 2)):
        ink = digits.preprocess.restore(part.images)[:, 0].astype(np.float64)
        parts.append(lay(np.rint(16 * ink) / 16, part.labels, count, np.random.default_rng(seed)))
    preprocess = measure_preprocess(parts[0][0])
    train, test = (ArraySamples(values.astype(np.float32), labels) for values, labels in parts)
    return Dataset(name, train, test, classes, preprocess, task)


def lay_maps(
    ink: Ink, labels: npt.NDArray[np.int64], count: int, generator: np.random.Generator
) -> tuple[Float64Array, npt.NDArray[np.int64]]:
    """Lay a few digits on each of `count` gray canvases (count, 1, H, W), with the class of each pixel (count, H, W): 0
    the background, 1 to 10 the digits 0 to 9, NOT_ASKED the faint pixels at the edge of a stroke."""
    canvases = np.zeros((count, 1, MAP_SIDE, MAP_SIDE))
    maps = np.zeros((count, MAP_SIDE, MAP_SIDE), np.int64)
    for number in range(count):
        digits = generator.choice(len(ink), generator.integers(MAP_DIGITS[0], MAP_DIGITS[1] + 1), replace=False)
        for digit, place in zip(digits, _find_places(MAP_SIDE, ink.shape[1], len(digits), generator), strict=True):
            canvases[number, 0][place] = ink[digit]
            sure, some = ink[digit] >= SURE_INK, ink[digit] > 0
            maps[number][place] = np.where(sure, labels[digit] + 1, np.where(some, NOT_ASKED, 0))
    return canvases, maps


def lay_points(
    ink: Ink, labels: npt.NDArray[np.int64], count: int, generator: np.random.Generator
) -> tuple[Float64Array, Float32Array]:
    """Lay one digit of each of the first classes, in a colour of its own, on each of `count` colour canvases
    (count, 3, H, W), with the centres of mass of their ink, (count, JOINTS, 2), x before y."""
    canvases = np.zeros((count, 3, POINT_SIDE, POINT_SIDE))
    points = np.zeros((count, JOINTS, 2), np.float32)
    large = ink.repeat(POINT_SCALE, 1).repeat(POINT_SCALE, 2)
    by_class = [np.flatnonzero(labels == joint) for joint in range(JOINTS)]
    for number in range(count):
        places = _find_places(POINT_SIDE, large.shape[1], JOINTS, generator)
        for joint, (rows, columns) in enumerate(places):
            digit = large[generator.choice(by_class[joint])]
            tint = generator.uniform(DARKEST_TINT, 1, (3, 1, 1))
            canvases[number][:, rows, columns] = tint * digit
            points[number, joint] = np.add(_find_centre(digit), (columns.start, rows.start))
    return canvases, points


def _find_places(side: int, size: int, count: int, generator: np.random.Generator) -> list[tuple[slice, slice]]:
    """Find squares of `size` pixels that do not overlap, anywhere on a canvas; drawn again as a whole until they
    fit."""
    while True:
        corners = generator.integers(0, side - size + 1, (count, 2))
        gaps = np.abs(corners[:, None] - corners[None]).max(-1) + size * np.eye(count, dtype=np.int64)
        if (gaps >= size).all():
            return [(slice(top, top + size), slice(left, left + size)) for top, left in corners.tolist()]


def _find_centre(ink: Ink) -> Float64Array:
    """Find x and y of the centre of mass, 0 at the first pixel's centre."""
    places = np.arange(len(ink))
    return np.array([ink.sum(0) @ places, ink.sum(1) @ places], np.float64) / float(ink.sum())
