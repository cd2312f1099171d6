"""Ranges: how far the values of a model reach on images, and on parts of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import InputError
from compiler.onnx_target.int8.scheme import ValueRange
from runtime.int8.data import CalibrationData
from runtime.int8.input_extremes import MIN_WIDTH

MIN_NUMBERS = 1000
"""The smallest number of numbers that show a range: the next is beyond it with a chance of two in a thousand."""

MAX_UNEVENNESS = 32
"""The largest ratio of the widths of two pieces of a value that share a scale: at this one the smaller has three of the
eight bits left. In the zoo's networks, with weights around their initialization, it is 13 at most."""

NOWHERE: ValueRange = (np.inf, -np.inf)


@dataclass(frozen=True, eq=False, slots=True)
class Ranges:
    """The ranges of values by name: `whole` from the lowest to the highest number, `cut` with zero in it and without
    what a method does not give a place."""

    whole: Mapping[str, ValueRange]
    cut: Mapping[str, ValueRange]


@dataclass(frozen=True, eq=False, slots=True)
class Fold:
    """A part of the images, and the ranges of the others; of all images, where those are too few for parts."""

    data: CalibrationData
    ranges: Ranges


@dataclass(frozen=True, eq=False, slots=True)
class MeasuredRanges:
    """The ranges of all images, and for each fold of them those of the others. `pieces` are the whole ranges of the
    channels of one origin, where a value has channels of several. `different` images are no near copies of one before.
    `notes` say what is odd about the data."""

    ranges: Ranges
    folds: tuple[Fold, ...]
    different: int
    pieces: Mapping[str, Sequence[ValueRange]]
    notes: tuple[str, ...]

    def find_floats(self) -> dict[str, str]:
        """Find the values that no scale serves, and why: other images need integers where all numbers were the same,
        and the smaller of two pieces would get none of those of the larger."""
        found = {}
        for name, whole in self.ranges.whole.items():
            if whole[0] == whole[1]:
                found[name] = f"is {whole[0]:g} everywhere on the calibration data"
                continue
            if whole[1] - whole[0] < MIN_WIDTH:
                found[name] = f"reaches from {whole[0]:g} to {whole[1]:g}, too little for any scale"
                continue
            widths = [width for width in map(_measure_width, self.pieces.get(name, ())) if width > 0]
            if widths and _measure_width(whole) > MAX_UNEVENNESS * min(widths):
                times = _measure_width(whole) / min(widths)
                found[name] = f"joins pieces of which the largest reaches {times:,.0f} times as far as the smallest"
        return found


class ValueExtremes:
    """The extremes of values on each image, and on all of their pieces, whose bounds among the channels are given."""

    def __init__(self, values: Sequence[str], bounds: Mapping[str, Sequence[int]]) -> None:
        self.bounds = {name: bounds[name] for name in values if name in bounds}
        self.numbers = dict.fromkeys(values, 0)
        self.lows: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in values}
        self.highs: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in values}
        self.pieces = {name: [NOWHERE] * (len(ends) - 1) for name, ends in self.bounds.items()}

    def add(self, found: Mapping[str, npt.NDArray[Any]], source: str) -> None:
        """Take the values on some images into account. Raises InputError where a number is not finite."""
        for name, array in found.items():
            rows = array.reshape(len(array), -1)
            lows, highs = rows.min(axis=1), rows.max(axis=1)
            if not (np.isfinite(lows) & np.isfinite(highs)).all():
                raise InputError(f"on the calibration data {source} the value '{name}' holds infinite numbers or NaN")
            if name in self.pieces:
                self.pieces[name] = list(map(_join, self.pieces[name], _measure_pieces(array, self.bounds[name])))
            self.numbers[name] += array.size
            self.lows[name].append(lows)
            self.highs[name].append(highs)

    def join(self, places: Sequence[int]) -> dict[str, ValueRange]:
        """Join the extremes on the images of some places."""
        taken = list(places)
        return {
            name: (float(np.concatenate(lows)[taken].min()), float(np.concatenate(self.highs[name])[taken].max()))
            for name, lows in self.lows.items()
        }

    def find_largest(self) -> dict[str, float]:
        """Find the largest magnitude of each value, on all images."""
        everywhere = range(len(np.concatenate(next(iter(self.lows.values())))))
        return {name: max(-low, high) for name, (low, high) in self.join(everywhere).items()}

    def tell_few(self) -> Iterator[str]:
        """Tell which values have few numbers."""
        few = sorted((count, name) for name, count in self.numbers.items() if count < MIN_NUMBERS)
        if few:
            more = f" (so may {len(few) - 1} more)" if len(few) > 1 else ""
            few_numbers = f"that of {few[0][0]:,} numbers{more}"
            yield f"other images may leave the range of {few[0][1]}, {few_numbers}: calibrate on more images"


def _measure_pieces(array: npt.NDArray[Any], bounds: Sequence[int]) -> list[ValueRange]:
    """The ranges of pieces of (N, C, ...); flattened, a channel is as many as it had positions."""
    places = array.reshape(len(array), bounds[-1], -1)
    starts = bounds[:-1]
    lows = np.minimum.reduceat(places.min(axis=(0, 2)), starts)
    highs = np.maximum.reduceat(places.max(axis=(0, 2)), starts)
    return list(zip(lows.tolist(), highs.tolist(), strict=True))


def _measure_width(range_: ValueRange) -> float:
    """Measure how far a range reaches with zero in it."""
    return max(range_[1], 0.0) - min(range_[0], 0.0)


def _join(first: ValueRange, second: ValueRange) -> ValueRange:
    """Join two bounds, to NaN where either has one."""
    return float(np.minimum(first[0], second[0])), float(np.maximum(first[1], second[1]))
