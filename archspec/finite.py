"""Tests for finite numbers in bounded memory: `numpy.isfinite` alone makes a byte for each of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archspec.arrays import Array

BLOCK = 1 << 16
"""The number of elements that are looked at together; what they need stays in the cache."""


def is_finite(array: Array) -> bool:
    """True if an array of any layout and type holds neither infinite numbers nor NaN."""
    if array.dtype.kind not in "fcV":  # V: bfloat16, which numpy knows from outside
        return True
    blocks = np.nditer(array, ("external_loop", "buffered", "zerosize_ok"), buffersize=BLOCK)
    with np.errstate(invalid="ignore"):  # NaN may be signals, of which numpy warns where it widens them
        return all(np.isfinite(block).all() for block in blocks)


def has_nan(array: Array) -> bool:
    """True if any of these floating-point numbers is NaN."""
    with np.errstate(invalid="ignore"):
        return bool(np.isnan(array).any())


def has_finite(array: Array) -> bool:
    """True if an array of any type holds a finite number."""
    return array.dtype.kind not in "fcV" or bool(np.isfinite(array).any())


def mark_alike(one: Array, other: Array) -> NDArray[np.bool_]:
    """Mark the places at which two arrays hold the same: equal numbers, the same infinity, or NaN both."""
    return np.asarray((one == other) | (np.isnan(one) & np.isnan(other)))
