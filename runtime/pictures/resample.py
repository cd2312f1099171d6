"""Linear resampling with antialiasing along each axis, as Pillow and torch have it, in floating-point numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array, Float64Array

Taps = tuple[npt.NDArray[np.intp], Float64Array]


def find_taps(places: Float64Array, extent: int, apart: float) -> Taps | None:
    """Find of which of `extent` values along an axis each new one is made, and by which shares, both (places, taps).

    `places` are the new ones' coordinates among the old, `apart` their distance there. The shares are those of a
    triangle as wide as two of the old values, or of the new where these are farther apart; they add up to one, or to
    zero where no value is near. None where each new value is an old one.
    """
    if len(places) == extent and np.array_equal(places, np.arange(extent)):
        return None
    reach = max(1.0, apart)
    positions = (np.floor(places - reach) + 1)[:, None] + np.arange(ceil(2 * reach))
    shares = np.maximum(0, 1 - np.abs(positions - places[:, None]) / reach)
    shares *= (positions >= 0) & (positions < extent)
    nearest = np.clip(positions, 0, extent - 1).astype(np.intp)
    sums = shares.sum(1, keepdims=True)
    return nearest, np.divide(shares, sums, out=np.zeros_like(shares), where=sums > 0)


def resample(values: Array, taps: Sequence[Taps | None], dtype: npt.DTypeLike = np.float64) -> Array:
    """Resample values along their first axes as `find_taps` says for each, added up in `dtype`; as they are where it
    says None."""
    for axis, along in enumerate(taps):
        if along is None:
            continue
        positions, shares = along
        shape = [len(positions) if other == axis else extent for other, extent in enumerate(values.shape)]
        across = [-1 if other == axis else 1 for other in range(values.ndim)]
        made = np.zeros(shape, dtype)
        for tap in range(positions.shape[1]):
            share = shares[:, tap].reshape(across).astype(dtype)
            made += np.multiply(values.take(positions[:, tap], axis), share, dtype=dtype)
        values = made
    return values


def resize(values: Array, size: Sequence[int]) -> Array:
    """Resample values to other extents of their first axes, in float32; whole borders lie on whole borders."""
    taps = []
    for extent, wanted in zip(values.shape, size, strict=False):
        apart = extent / wanted
        taps.append(find_taps(((np.arange(wanted) + 0.5) * apart - 0.5).round(9), extent, apart))
    return resample(values, taps, np.float32)
