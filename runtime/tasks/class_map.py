"""From the numbers at an output's positions to the class of each pixel of an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from runtime.tasks.grid import Frame, Grid

Array = npt.NDArray[Any]
Taps = tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]

UNANSWERED = -1
"""The class of pixels to which no position of the output reaches."""


def find_classes(output: Array, grid: Grid, frame: Frame) -> Array:
    """The class of each of an image's own pixels, in integers, from (classes, *extents) or (1, *extents).

    A class's numbers are resampled (linear along each axis, antialiased where pixels are farther apart than positions),
    and then the first of the largest is taken; one channel's are the second class's logits, against 0. Pixels beyond
    the output, as valid convolutions leave them, are UNANSWERED.
    """
    axes = range(len(frame.own))
    places = [_place_pixels(grid, frame, axis) for axis in axes]
    taps = [
        _find_taps(places[axis], grid.extents[axis], frame.shown[axis] / frame.own[axis] / grid.stride) for axis in axes
    ]
    channels = (_resample(channel, taps) for channel in output)
    found = _find_largest(channels, len(output)) if len(output) > 1 else (next(channels) > 0).astype(np.int8)
    for axis in axes:
        beyond = (places[axis] < -0.5) | (places[axis] > grid.extents[axis] - 0.5)
        found[(slice(None),) * axis + (beyond,)] = UNANSWERED
    return found


def _place_pixels(grid: Grid, frame: Frame, axis: int) -> npt.NDArray[np.float64]:
    """For the pixels along an axis, the coordinates in the output's positions, rounded to what float64 is sure of."""
    own = np.arange(frame.own[axis], dtype=np.float64)
    return np.asarray(grid.from_pixel(frame.from_own(own, axis), axis).round(9))


def _find_taps(places: npt.NDArray[np.float64], extent: int, apart: float) -> Taps | None:
    """Which positions each pixel is made of, and by which shares, both (pixels, taps): those of a triangle as wide as
    two positions, or as two pixels where these are `apart` by more than one position. None where each pixel is one
    position."""
    if len(places) == extent and np.array_equal(places, np.arange(extent)):
        return None
    reach = max(1.0, apart)
    positions = (np.floor(places - reach) + 1)[:, None] + np.arange(ceil(2 * reach))
    shares = np.maximum(0, 1 - np.abs(positions - places[:, None]) / reach)
    shares *= (positions >= 0) & (positions < extent)
    nearest = np.clip(positions, 0, extent - 1).astype(np.intp)
    sums = shares.sum(1, keepdims=True)
    return nearest, np.divide(shares, sums, out=np.zeros_like(shares), where=sums > 0)


def _resample(channel: Array, taps: Sequence[Taps | None]) -> Array:
    for axis, along in enumerate(taps):
        if along is not None:
            positions, shares = along
            across = [1] * axis + [-1] + [1] * (channel.ndim - axis - 1)
            channel = np.asarray(
                sum(
                    channel.take(positions[:, tap], axis) * shares[:, tap].reshape(across)
                    for tap in range(positions.shape[1])
                )
            )
    return channel


def _find_largest(channels: Iterator[Array], count: int) -> Array:
    """The first of the largest at each place, with one channel in memory after the other."""
    best = next(channels)
    found = np.zeros(best.shape, np.min_scalar_type(-count))
    for number, channel in enumerate(channels, 1):
        larger = channel > best
        found[larger] = number
        best = np.where(larger, channel, best)
    return found
