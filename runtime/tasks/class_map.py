"""From the numbers at an output's positions to the class of each pixel of an image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from archspec.arrays import Array, Float64Array
from runtime.pictures.frame import Frame
from runtime.pictures.resample import find_taps, resample
from runtime.tasks.grid import OutputGrid

UNANSWERED = -1
"""The class of pixels to which no position of the output reaches."""


def find_classes(output: Array, grid: OutputGrid, frame: Frame) -> Array:
    """Find the class of each of an image's own pixels, in integers, from (classes, *extents) or (1, *extents).

    A class's numbers are resampled (linear along each axis, antialiased where pixels are farther apart than positions),
    and then the first of the largest is taken; one channel's are the second class's logits, against 0. Pixels beyond
    the output, as valid convolutions leave them, are UNANSWERED.
    """
    axes = range(len(frame.own))
    places = [_place_pixels(grid, frame, axis) for axis in axes]
    taps = [
        find_taps(places[axis], grid.extents[axis], frame.shown[axis] / frame.own[axis] / grid.strides[axis])
        for axis in axes
    ]
    channels = (resample(channel, taps) for channel in output)
    found = _find_largest(channels, len(output)) if len(output) > 1 else (next(channels) > 0).astype(np.int8)
    for axis in axes:
        beyond = (places[axis] < -0.5) | (places[axis] > grid.extents[axis] - 0.5)
        found[(slice(None),) * axis + (beyond,)] = UNANSWERED
    return found


def _place_pixels(grid: OutputGrid, frame: Frame, axis: int) -> Float64Array:
    """Find, for the pixels along an axis, the coordinates in the output's positions, rounded to what float64 is sure
    of."""
    own = np.arange(frame.own[axis], dtype=np.float64)
    return np.asarray(grid.from_pixel(frame.from_own(own, axis), axis).round(9))


def _find_largest(channels: Iterator[Array], count: int) -> Array:
    """The first of the largest at each place, with one channel in memory after the other."""
    best = next(channels)
    found = np.zeros(best.shape, np.min_scalar_type(-count))
    for number, channel in enumerate(channels, 1):
        larger = channel > best
        found[larger] = number
        best = np.where(larger, channel, best)
    return found
