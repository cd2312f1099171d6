"""The ranges of a model's values on calibration data, measured by running it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from archspec.arrays import Array
from archspec.callbacks import OnStep, ignore_step
from archspec.errors import InputError, suggest
from compiler.onnx_target.int8.channel_segments import find_segments
from compiler.onnx_target.int8.scheme import MIN_SCALE, Int8Recipe, ValueRange
from compiler.onnx_target.onnx_model import OnnxModel
from runtime.int8.clipping import BINS, METHODS, BinCounts, Histogram
from runtime.int8.data import CalibrationData
from runtime.int8.folds import Sketches, deal
from runtime.int8.input_extremes import MIN_IMAGES_FOR_FOLDS, InputExtremes
from runtime.int8.ranges import Fold, MeasuredRanges, Ranges, ValueExtremes
from runtime.int8.running import Outputs, choose_batch, run_exposed

FOLDS = 4
"""The number of parts of the images that are judged by the ranges of the others. With fewer these ranges are those of
markedly fewer images than all."""


def measure_ranges(
    model: OnnxModel,
    values: Sequence[str],
    data: CalibrationData,
    method: str = "mse",
    recipe: Int8Recipe = "u8s8",
    on_step: OnStep = ignore_step,
) -> MeasuredRanges:
    """Measure the ranges of values, by a method of `METHODS`: `minmax` keeps every number, the others cut magnitudes at
    a threshold, by a histogram that a second pass makes.

    The values of a few images at a time lie in memory. Raises InputError for an unknown method, where an image or a
    value is not finite, and where the images cannot be those that the network is for.
    """
    if method not in METHODS:
        raise InputError(f"no calibration '{method}'{suggest(method, METHODS)} (available: {', '.join(METHODS)})")
    find_threshold = METHODS[method]
    passes = 1 if find_threshold is None else 2
    walk = _ImageWalk(run_exposed(model, values), choose_batch(model.graph, data.shape), passes * len(data), on_step)
    extremes, inputs, sketches = ValueExtremes(values, find_segments(model)), InputExtremes(data), Sketches(data.shape)
    for images, found in walk.run_all(data):
        extremes.add(found, data.name)
        inputs.add(images)
        sketches.add(images)
    enough = len(data) >= MIN_IMAGES_FOR_FOLDS
    notes = (*inputs.judge(), *(extremes.tell_few() if enough else ()))
    groups = sketches.group()
    parts = deal(groups, FOLDS if enough else 1)
    histograms = _Histograms(find_threshold, recipe, extremes.find_largest())
    for part in () if find_threshold is None else parts:
        histograms.add_part(walk, data.take(part))

    def join(numbers: Sequence[int]) -> Ranges:
        """The ranges of some parts together."""
        whole = extremes.join([place for number in numbers for place in parts[number]])
        thresholds = histograms.find_thresholds(numbers, whole)
        return Ranges(whole, {name: _cut(reached, thresholds[name]) for name, reached in whole.items()})

    numbers = range(len(parts))
    ranges = join(numbers)
    others = [[other for other in numbers if other != number] for number in numbers]
    folds = tuple(
        Fold(data.take(part), join(rest) if rest else ranges) for part, rest in zip(parts, others, strict=True)
    )
    return MeasuredRanges(ranges, folds, len(set(groups)), extremes.pieces, notes)


@dataclass(eq=False, slots=True)
class _ImageWalk:
    """Runs a model on images, some at a time; `on_step` is told how many of all have been run."""

    run: Callable[[Array], Outputs]
    batch: int
    images: int
    on_step: OnStep
    done: int = 0

    def run_all(self, data: CalibrationData) -> Iterator[tuple[Array, Outputs]]:
        """Yield images, and the model's values on them, by name."""
        for images in data.batches(self.batch):
            yield images, self.run(images)
            self.done += len(images)
            self.on_step(self.done, self.images)


class _Histograms:
    """The histograms of values on each part of the images, up to the largest magnitude on all, and where a method cuts
    them."""

    def __init__(
        self, find_threshold: Callable[[Histogram], float] | None, recipe: Int8Recipe, largest: Mapping[str, float]
    ) -> None:
        self.find_threshold, self.recipe, self.largest = find_threshold, recipe, largest
        self.parts: list[dict[str, BinCounts]] = []

    def add_part(self, walk: _ImageWalk, data: CalibrationData) -> None:
        """Run the images of the next part."""
        counts = {name: np.zeros(BINS, np.int64) for name in self.largest}
        for _, found in walk.run_all(data):
            for name, array in found.items():
                counts[name] += count_magnitudes(array, self.largest[name])
        self.parts.append(counts)

    def find_thresholds(self, numbers: Sequence[int], whole: Mapping[str, ValueRange]) -> dict[str, float]:
        """Find the magnitude at which each value is cut on some parts together, where it has these whole ranges."""
        if self.find_threshold is None:
            return dict.fromkeys(whole, np.inf)
        thresholds = {}
        for name, reached in whole.items():
            counts = np.sum([self.parts[number][name] for number in numbers], axis=0)
            histogram = Histogram(counts, reached, self.largest[name], self.recipe)
            thresholds[name] = self.find_threshold(histogram) * self.largest[name]
        return thresholds


def count_magnitudes(array: Array, largest: float) -> BinCounts:
    """Count the numbers that are not zero, (BINS,), by magnitude up to the largest."""
    if largest < MIN_SCALE:  # no scale is as small
        return np.zeros(BINS, np.int64)
    places = np.abs(array, dtype=np.float32).ravel()
    places *= np.float32(BINS / largest)
    counts = np.bincount(places.astype(np.intp), minlength=BINS + 1)
    counts[BINS - 1] += counts[BINS]
    counts = counts[:BINS]
    counts[0] -= array.size - np.count_nonzero(array)
    return counts


def _cut(whole: ValueRange, threshold: float) -> ValueRange:
    return max(min(whole[0], 0.0), -threshold), min(max(whole[1], 0.0), threshold)
