"""Sums over a model's numbers and over another's differences from them, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array

Sums = npt.NDArray[np.float64]

STILL = 1e-12
"""A channel whose variance is at most this part of its power does not vary: rounding in single precision makes more."""

BEYOND = 1e30
"""The difference that counts for an infinite number or NaN."""


class ErrorSums:
    """Sums over each channel of (N, C, ...): of the float model's numbers, moved by about their mean, of their squares
    as they are and moved, and of the squares of what the other model's numbers differ by. `each` has the squares of
    both over each image, (images, 2), batch by batch."""

    def __init__(self) -> None:
        self.count = 0
        self.shift: Sums | None = None
        self.moved: Sums = np.zeros(())
        self.moved_square: Sums = np.zeros(())
        self.power: Sums = np.zeros(())
        self.noise: Sums = np.zeros(())
        self.each: list[Sums] = []

    def add(self, before: Array, after: Array) -> None:
        """Take both models' numbers on the same images into account."""
        first, second = (_by_channel(array) for array in (before, after))
        if self.shift is None:
            self.shift = first.mean(axis=1)
        moved = first - self.shift[:, None]
        self.count += first.shape[1]
        self.moved = self.moved + moved.sum(axis=1)
        self.moved_square = self.moved_square + np.square(moved).sum(axis=1)
        apart = np.nan_to_num(np.subtract(first, second), nan=BEYOND, posinf=BEYOND, neginf=BEYOND)
        power, noise = (
            np.square(numbers).reshape(len(numbers), len(before), -1).sum(axis=2) for numbers in (first, apart)
        )
        self.power, self.noise = self.power + power.sum(axis=1), self.noise + noise.sum(axis=1)
        self.each.append(np.stack([power.sum(axis=0), noise.sum(axis=0)], axis=1))

    @property
    def channels(self) -> int:
        return self.noise.size

    @property
    def spread(self) -> Sums:
        """The spread, Σ (float - mean)² of each channel; 0 where it is not more than rounding."""
        centred = self.moved_square - np.square(self.moved) / self.count
        return np.where(centred > STILL * self.power, centred, 0.0)

    @property
    def varies(self) -> bool:
        return bool(self.spread.any())

    @property
    def signal(self) -> Sums:
        """The spread of each channel; of one that never varies, its power."""
        return np.where(self.spread > 0, self.spread, self.power)

    @property
    def ratio(self) -> float:
        """The ratio √(Σ (float - other)² / Σ float²) over all channels; 1 for noise where there is nothing."""
        return _find_ratio(float(self.power.sum()), float(self.noise.sum()))

    @property
    def ratio_in_db(self) -> float | None:
        """The ratio in decibels, 10 log10(Σ float² / Σ (float - other)²), None where nothing differs."""
        return _in_db(self.ratio)

    def rate_parts(self, sizes: Sequence[int]) -> tuple[float | None, ...]:
        """List the ratio in dB of the first so many images, of the next, and so on."""
        ends = np.cumsum([0, *sizes])
        each = np.concatenate(self.each)
        sums = (each[start:end].sum(axis=0) for start, end in pairwise(ends.tolist()))
        return tuple(_in_db(_find_ratio(*found.tolist())) for found in sums)

    def rate_middle(self) -> float | None:
        """Find the ratio in dB of the image that half of the others are not worse than."""
        ratios = sorted(_find_ratio(*found) for found in np.concatenate(self.each).tolist())
        return _in_db(ratios[len(ratios) // 2])

    @property
    def r2(self) -> float:
        """The coefficient of determination, 1 - Σ (float - other)² / signal, of all channels."""
        signal, noise = float(self.signal.sum()), float(self.noise.sum())
        return 1 - noise / signal if signal else float(noise == 0)

    def find_worst(self) -> tuple[int, float] | None:
        """Find the channel with the least signal to noise, and that in dB; None where no channel differs that has
        any."""
        there = (self.noise > 0) & (self.signal > 0)
        if not there.any():
            return None
        decibels = np.full(self.channels, np.inf)
        decibels[there] = 10 * np.log10(self.signal[there] / self.noise[there])
        worst = int(decibels.argmin())
        return worst, round(float(decibels[worst]), 2)


def _find_ratio(power: float, noise: float) -> float:
    return float(np.sqrt(noise / power)) if power else float(noise > 0)


def _in_db(ratio: float) -> float | None:
    return round(-20 * float(np.log10(ratio)), 2) if ratio else None


def _by_channel(array: Array) -> npt.NDArray[np.float64]:
    """Lay out (N, C, ...) as (C, numbers)."""
    places = np.asarray(array, np.float64).reshape(*array.shape[:2], -1)
    return places.transpose(1, 0, 2).reshape(places.shape[1], -1)
