"""Resampling with antialiasing along each axis, as Pillow and torch have it, in floating-point numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array, Float64Array

Taps = tuple[npt.NDArray[np.intp], Float64Array]

Kernel = tuple[int, Callable[[Float64Array], Float64Array]]
"""How far a kernel reaches to each side, and its shares by the distance."""


def _weigh_linearly(distance: Float64Array) -> Float64Array:
    return np.asarray(np.maximum(0, 1 - np.abs(distance)))


def _weigh_cubically(distance: Float64Array) -> Float64Array:
    """Keys' cubic (1981) with a = -1/2."""
    x = np.abs(distance)
    return np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, np.where(x < 2, ((-0.5 * x + 2.5) * x - 4) * x + 2, 0))


KERNELS: Mapping[str, Kernel] = MappingProxyType({"bilinear": (1, _weigh_linearly), "bicubic": (2, _weigh_cubically)})
"""The kernels of interpolations that mix values."""


def find_taps(places: Float64Array, extent: int, apart: float, kernel: Kernel = KERNELS["bilinear"]) -> Taps | None:
    """Find of which of `extent` values along an axis each new one is made, and by which shares, both (places, taps).

    `places` are the new ones' coordinates among the old, `apart` their distance there. The shares are those of a
    kernel, a triangle as wide as two of the old values, or of the new where these are farther apart; they add up to
    one, or to zero where no value is near. None where each new value is an old one.
    """
    if len(places) == extent and np.array_equal(places, np.arange(extent)):
        return None
    width, weigh = kernel
    stretched = max(1.0, apart)
    reach = width * stretched
    positions = (np.floor(places - reach) + 1)[:, None] + np.arange(ceil(2 * reach))
    shares = weigh((positions - places[:, None]) / stretched)
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


def find_places(extent: int, wanted: int) -> Float64Array:
    """Find the coordinates of `wanted` values among `extent` ones; whole borders lie on whole borders."""
    return np.asarray(((np.arange(wanted) + 0.5) * (extent / wanted) - 0.5).round(9))


def find_nearest(extent: int, wanted: int) -> npt.NDArray[np.intp]:
    """Find for `wanted` values which of `extent` ones is the nearest, the one behind of two that are as near."""
    return (2 * np.arange(wanted) + 1) * extent // (2 * wanted)
