"""The values of volumes as levels: which become 0 and 65,535, and what normalizes them.

A volume's values have no white as a picture's have: Hounsfield units, counts of photons, or what a scanner chose. So
the least and the largest that matter are measured on the training volumes, as nnU-Net does for CT (Isensee et al.,
2021): the percentiles 0.5 and 99.5 of the voxels that are no background. What lies beyond is cut, and the rest becomes
levels of 16 bits, which are cached, resampled and normalized as a picture's are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array, Float32Array
from archspec.errors import InputError
from runtime.pictures.preprocess import Preprocess

LevelWindow = tuple[float, float]
"""The least and the largest of a channel's values, which become the first and the last level."""

PERCENTILES = (0.5, 99.5)
"""The percentiles of the values between which a window lies."""

WHITE = 65535
"""The last level."""

MAX_SAMPLED = 1 << 20
"""The largest number of voxels of a volume that are looked at for its percentiles, spread evenly."""

PLANES = 16
"""The number of planes whose levels are made at a time."""


def find_windows(volume_values: Array, preprocess: Preprocess) -> tuple[LevelWindow, ...]:
    """Find the windows of a volume's channels (C, *extents): those of the preprocessing, or its own."""
    if preprocess.window == "each":
        return tuple(measure_window(sample(channel)) for channel in volume_values)
    if preprocess.window is None:
        raise InputError("a volume needs the values that are its least and its largest (window)")
    return preprocess.window


def to_levels(values: Array, windows: Sequence[LevelWindow]) -> npt.NDArray[np.uint16]:
    """Give the levels (uint16) of values (C, depth, height, width): the window's least is 0, its largest WHITE, and
    each value has the nearest level. Raises InputError where there is no window for each channel."""
    if len(windows) != len(values):
        raise InputError(f"a volume of {len(values)} channels, and the network takes {len(windows)}")
    levels = np.empty(values.shape, np.uint16)
    for channel, (low, high) in enumerate(windows):
        for start in range(0, values.shape[1], PLANES):
            planes = values[channel, start : start + PLANES].astype(np.float64)
            levels[channel, start : start + PLANES] = np.rint((planes.clip(low, high) - low) * (WHITE / (high - low)))
    return levels


def measure_window(values: Array) -> LevelWindow:
    """Measure the percentiles of some values; a value that all have is the least."""
    low, high = (float(np.float32(found)) for found in np.percentile(values.astype(np.float64), PERCENTILES))
    return (low, high) if high > low else (low, low + 1)


def sample(values: Array, chosen: npt.NDArray[np.bool_] | None = None) -> Array:
    """Take up to MAX_SAMPLED of the values, evenly spread, of those that are `chosen`; of all where none is."""
    flat = values.reshape(-1)
    if chosen is None or not chosen.any():
        return flat[:: -(-flat.size // MAX_SAMPLED)]
    places = np.flatnonzero(chosen)
    return flat[places[:: -(-places.size // MAX_SAMPLED)]]


@dataclass(eq=False)
class Brightness:
    """The values of the training volumes' voxels that are no background, for their windows, means and deviations."""

    channels: int
    given: Sequence[LevelWindow] | None = None
    each: bool = False
    _found: list[list[Float32Array]] = field(default_factory=list)

    def add(self, values: Array, foreground: npt.NDArray[np.bool_]) -> None:
        """Add a volume (C, *extents). Raises InputError where it has other channels than those before."""
        if len(values) != self.channels:
            raise InputError(f"a volume has {len(values)} channels, and those before it {self.channels}")
        self._found = self._found or [[] for _ in values]
        for channel, found in zip(values, self._found, strict=True):
            chosen = sample(channel, foreground).astype(np.float32)
            if self.each:
                low, high = measure_window(sample(channel))
                chosen = (chosen.clip(low, high) - np.float32(low)) / np.float32(high - low)
            found.append(chosen)

    def finish(self) -> tuple[tuple[LevelWindow, ...], tuple[float, ...], tuple[float, ...]]:
        """Give the windows of the channels, and the mean and the standard deviation of what they become, to six
        digits. Each volume counts as much as its sampled voxels do."""
        windows, means, deviations = [], [], []
        for number, parts in enumerate(self._found):
            values = np.concatenate(parts)
            known = self.given[number] if self.given else (0.0, 1.0) if self.each else measure_window(values)
            low, high = known
            shares = (values.astype(np.float64).clip(low, high) - low) / (high - low)
            windows.append(known)
            means.append(round(float(shares.mean()), 6))
            deviations.append(round(float(shares.std()), 6) or 1.0)
        return tuple(windows), tuple(means), tuple(deviations)
