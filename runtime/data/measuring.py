"""What is measured of images before training: their extents and channels, and the mean and standard deviation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from archspec.arrays import Array
from archspec.callbacks import OnStep, ignore_step
from archspec.errors import ArchspecError, InputError
from archspec.wording import list_some, tell_count
from runtime.data.dataset import ArraySamples, Samples
from runtime.data.source import peek_sample
from runtime.data.stored import StoredImage
from runtime.pictures.preprocess import LEVELS

MAX_PEEKED = 20_000
"""The largest number of files whose heads are read before training; of more, that many are looked at, spread evenly."""

MAX_MEASURED = 2_048
"""The largest number of image files that are decoded for mean and standard deviation, spread evenly over all."""

MAX_PLANE = 1 << 20
"""The largest number of values of images in memory that are added up at once."""


ARRAYS_AT_ONCE = 256
"""The number of images in memory that are added up at once."""

WHAT_TO_DO = (
    "mend or remove what cannot be used, or leave it out with --skip-bad (`archspec data check` lists everything)"
)
"""What somebody can do about files that cannot be used."""


@dataclass(frozen=True, eq=False)
class Survey:
    """What the heads of images say: how many there are with which channels and extents, and what cannot be read."""

    stored: tuple[StoredImage, ...]
    bad: tuple[str, ...]

    @property
    def channels(self) -> int:
        """The most channels of an image."""
        return max((image.channels for image in self.stored), default=1)

    @property
    def common(self) -> tuple[int, ...] | None:
        """The extents that all images have; None where they differ."""
        found = {image.extents for image in self.stored}
        return found.pop() if len(found) == 1 else None

    @property
    def median(self) -> tuple[int, ...]:
        """The median of the extents along each axis, the smaller of two."""
        columns = zip(*(image.extents for image in self.stored), strict=True)
        return tuple(sorted(column)[(len(self.stored) - 1) // 2] for column in columns)


def spread(count: int, most: int) -> list[int]:
    """Choose up to `most` of the numbers below `count`, evenly spread.

    >>> spread(10, 4)
    [0, 2, 5, 7]
    """
    return list(range(count)) if count <= most else [number * count // most for number in range(most)]


def survey(samples: Samples, on_step: OnStep = ignore_step) -> Survey:
    """Look at the heads of up to MAX_PEEKED images; of images in memory, at the first."""
    chosen = [0] if isinstance(samples, ArraySamples) and len(samples) else spread(len(samples), MAX_PEEKED)
    stored, bad = [], []
    for done, index in enumerate(chosen, 1):
        try:
            stored.append(peek_sample(samples, index))
        except ArchspecError as error:
            bad.append(str(error))
        on_step(done, len(chosen))
    return Survey(tuple(stored), tuple(bad))


class ChannelSums:
    """The sums of values and of their squares, channel by channel, of images that are added one after another.

    Levels are added up as whole numbers, so that nothing is lost and the order does not matter.
    """

    def __init__(self) -> None:
        self._sums: list[Fraction] = []
        self._squares: list[Fraction] = []
        self._count = 0

    def add(self, images: Array) -> None:
        """Add an image, (C, *extents), or several, (C, N, *extents)."""
        if not self._sums:
            self._sums, self._squares = [Fraction(0)] * len(images), [Fraction(0)] * len(images)
        if len(images) != len(self._sums):
            raise InputError(f"an image has {len(images)} channels, and the ones before it {len(self._sums)}")
        self._count += images[0].size
        for channel, plane in enumerate(images.reshape(len(images), -1)):
            for start in range(0, plane.size, MAX_PLANE):
                total, square = _add_up(plane[start : start + MAX_PLANE])
                self._sums[channel] += total
                self._squares[channel] += square

    def finish(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Give the means and the standard deviations of values in [0, 1], to six digits; a channel that is the same
        everywhere has the deviation 1. Raises InputError where all channels are, or there is no image."""
        if not self._count:
            raise InputError("no training image can be used: nothing can be learned")
        means = [total / self._count for total in self._sums]
        spreads = [square / self._count - mean**2 for square, mean in zip(self._squares, means, strict=True)]
        if not any(value > 0 for value in spreads):
            raise InputError("each channel of the training images has one value everywhere: nothing can be learned")
        deviations = [round(math.sqrt(value), 6) or 1.0 for value in spreads]
        return tuple(round(float(mean), 6) for mean in means), tuple(deviations)


def _add_up(plane: Array) -> tuple[Fraction, Fraction]:
    """The sum of some values in [0, 1] and of their squares, exact where they are levels."""
    if plane.dtype in LEVELS:
        whole, wide = LEVELS[plane.dtype], plane.astype(np.uint64)
        return Fraction(int(wide.sum()), whole), Fraction(int((wide * wide).sum()), whole**2)
    values = plane.astype(np.float64)
    return Fraction(float(values.sum())), Fraction(float((values * values).sum()))


def _read(samples: Samples, indices: Sequence[int]) -> Array:
    """The image of an index, or of arrays those of several, with channels first."""
    if isinstance(samples, ArraySamples):
        return np.moveaxis(samples.images[list(indices)], 1, 0)
    return np.asarray(samples[indices[0]][0])


def measure_levels(
    samples: Samples, indices: Sequence[int], on_step: OnStep = ignore_step
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Measure mean and standard deviation of each channel over the images of some indices, see `ChannelSums`. Raises
    InputError where an image cannot be read, or has other channels than the first."""
    sums = ChannelSums()
    step = ARRAYS_AT_ONCE if isinstance(samples, ArraySamples) else 1
    for start in range(0, len(indices), step):
        chosen = indices[start : start + step]
        try:
            sums.add(_read(samples, chosen))
        except InputError as error:
            raise InputError(f"{error}; {WHAT_TO_DO}") from error
        on_step(start + len(chosen), len(indices))
    return sums.finish()


def refuse_bad(bad: Sequence[str], name: str) -> None:
    """Raises InputError where images cannot be read, with the first of them and what to do."""
    if bad:
        raise InputError(f"{tell_count(len(bad), 'file')} of {name} cannot be used: {list_some(bad)}; {WHAT_TO_DO}")
