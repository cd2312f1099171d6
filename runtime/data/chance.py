"""Chance by seed: what a sample draws, from whichever of the global generators, follows from its seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from archspec.extras import extra

with extra("train"):
    import torch

_MASK, _GOLDEN = (1 << 64) - 1, 0x9E3779B97F4A7C15


@contextmanager
def drawing_by(seed: int) -> Iterator[None]:
    """Have torch's, numpy's and Python's global generators start from a seed (0 to 2⁶³ - 1), and go on afterwards as if
    nothing had been drawn. A GPU's generators are left alone."""
    arrays, plain = np.random.get_state(), random.getstate()
    np.random.seed([seed & 0xFFFFFFFF, seed >> 32])
    random.seed(Dice(seed).draw(1 << 63))  # from one seed both would draw the same: they are one algorithm
    try:
        with drawing_torch_by(seed):
            yield
    finally:
        np.random.set_state(arrays)
        random.setstate(plain)


@contextmanager
def drawing_torch_by(seed: int) -> Iterator[None]:
    """Do as `drawing_by` does with torch's generator alone, which takes a fiftieth of the time."""
    own = torch.default_generator
    before = own.get_state()
    own.manual_seed(Dice(seed).draw(1 << 32))  # of a longer seed it would see the lower half alone
    try:
        yield
    finally:
        own.set_state(before)


class Dice:
    """A small source of chance that costs next to nothing to make: SplitMix64 (Steele, Lea and Flood, 2014)."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def draw(self, count: int) -> int:
        """Draw a whole number from 0 to `count` - 1, each with the same probability to 2⁻⁶⁴ · `count`."""
        self._state = (self._state + _GOLDEN) & _MASK
        mixed = self._state
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
        return (mixed ^ (mixed >> 31)) * count >> 64
