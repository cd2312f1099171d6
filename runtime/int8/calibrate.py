"""The ranges of a model's values on calibration data, measured by running it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError, suggest
from archspec.extras import extra
from compiler.graph import Graph
from compiler.onnx_target.int8.channel_segments import find_segments
from compiler.onnx_target.int8.scheme import MIN_SCALE, Range, Recipe
from compiler.onnx_target.onnx_model import OnnxModel
from runtime.int8.check import FEW, LEAST_WIDTH, InputExtremes
from runtime.int8.data import CalibrationData
from runtime.int8.folds import Sketches, deal
from runtime.int8.thresholds import BINS, METHODS, Counts, Histogram
from runtime.session.start import start

with extra("run"):
    import onnx

    from compiler.onnx_target.write import to_bytes

BUDGET = 1 << 28
"""Bytes of values in memory at a time, about."""

FEW_NUMBERS = 1000
"""The next of as many numbers is beyond their range with a chance of two in a thousand."""

UNEVEN = 32
"""Where one piece of a value reaches so many times as far as another, that has three of the eight bits left. In the
zoo's networks, with weights around their initialization, it is 13 times at most."""

LARGEST_BATCH = 64
NOWHERE: Range = (np.inf, -np.inf)

FOLDS = 4
"""The parts of the images that are judged by the ranges of the others. With fewer these ranges are those of markedly
fewer images than all."""

OnStep = Callable[[int, int], None]


@dataclass(frozen=True, eq=False, slots=True)
class Ranges:
    """How far values reach, by name: `whole` from the lowest to the highest number, `cut` with zero in it and without
    what a method does not give a place."""

    whole: Mapping[str, Range]
    cut: Mapping[str, Range]


@dataclass(frozen=True, eq=False, slots=True)
class Fold:
    """A part of the images, and the ranges of the others; of all images, where those are too few for parts."""

    data: CalibrationData
    ranges: Ranges


@dataclass(frozen=True, eq=False, slots=True)
class Measured:
    """The ranges of all images, and for each fold of them those of the others. `pieces` are the whole ranges of the
    channels of one origin, where a value has channels of several. `different` images are no near copies of one before.
    `notes` say what is odd about the data."""

    ranges: Ranges
    folds: tuple[Fold, ...]
    different: int
    pieces: Mapping[str, Sequence[Range]]
    notes: tuple[str, ...]

    def find_floats(self) -> dict[str, str]:
        """The values that no scale serves, and why: other images need integers where all numbers were the same, and the
        smaller of two pieces would get none of those of the larger."""
        found = {}
        for name, whole in self.ranges.whole.items():
            if whole[0] == whole[1]:
                found[name] = f"is {whole[0]:g} everywhere on the calibration data"
                continue
            if whole[1] - whole[0] < LEAST_WIDTH:
                found[name] = f"reaches from {whole[0]:g} to {whole[1]:g}, too little for any scale"
                continue
            widths = [width for width in map(_measure_width, self.pieces.get(name, ())) if width > 0]
            if widths and _measure_width(whole) > UNEVEN * min(widths):
                times = _measure_width(whole) / min(widths)
                found[name] = f"joins pieces of which the largest reaches {times:,.0f} times as far as the smallest"
        return found


def measure_ranges(
    model: OnnxModel,
    values: Sequence[str],
    data: CalibrationData,
    method: str = "mse",
    recipe: Recipe = "u8s8",
    on_step: OnStep = lambda done, of: None,
) -> Measured:
    """The ranges of values, by a method of `METHODS`: `minmax` keeps every number, the others cut magnitudes at a
    threshold, by a histogram that a second pass makes.

    The values of a few images at a time lie in memory. Raises ArchspecError for an unknown method, where an image or a
    value is not finite, and where the images cannot be those that the network is for.
    """
    if method not in METHODS:
        raise ArchspecError(f"no calibration '{method}'{suggest(method, METHODS)} (available: {', '.join(METHODS)})")
    find_threshold = METHODS[method]
    passes, batch = (1 if find_threshold is None else 2), choose_batch(model.graph, data.shape)
    walk = _Walk(run_exposed(model, values), batch, passes * len(data), on_step)
    reach, seen, sketches = _Reach(values, find_segments(model)), InputExtremes(data), Sketches(data.shape)
    for images, found in walk.run_all(data):
        reach.add(found, data.name)
        seen.add(images)
        sketches.add(images)
    notes = (*seen.judge(), *(reach.tell_few() if len(data) >= FEW else ()))
    groups = sketches.group()
    parts = deal(groups, FOLDS if len(data) >= FEW else 1)
    lasts = {name: _largest(whole) for name, whole in reach.join(range(len(data))).items()}
    counts = [] if find_threshold is None else [_count_all(walk, data.take(part), lasts) for part in parts]

    def cut(numbers: Sequence[int]) -> Ranges:
        """The ranges of some parts together."""
        whole = reach.join([place for number in numbers for place in parts[number]])
        if find_threshold is None:
            return Ranges(whole, {name: _cut(reached, np.inf) for name, reached in whole.items()})
        ends = {}
        for name, reached in whole.items():
            total = np.sum([counts[number][name] for number in numbers], axis=0)
            ends[name] = _cut(reached, find_threshold(Histogram(total, reached, lasts[name], recipe)) * lasts[name])
        return Ranges(whole, ends)

    numbers = range(len(parts))
    ranges = cut(numbers)
    others = [[other for other in numbers if other != number] for number in numbers]
    folds = tuple(
        Fold(data.take(part), cut(rest) if rest else ranges) for part, rest in zip(parts, others, strict=True)
    )
    return Measured(ranges, folds, len(set(groups)), reach.pieces, notes)


@dataclass(eq=False, slots=True)
class _Walk:
    """Runs a model on images, some at a time; `on_step` is told how many of all have been run."""

    run: Callable[[npt.NDArray[Any]], Mapping[str, npt.NDArray[Any]]]
    batch: int
    images: int
    on_step: OnStep
    done: int = 0

    def run_all(self, data: CalibrationData) -> Iterator[tuple[npt.NDArray[Any], Mapping[str, npt.NDArray[Any]]]]:
        """Images, and the model's values on them, by name."""
        for images in data.batches(self.batch):
            yield images, self.run(images)
            self.done += len(images)
            self.on_step(self.done, self.images)


def _count_all(walk: _Walk, data: CalibrationData, lasts: Mapping[str, float]) -> dict[str, Counts]:
    """The histograms of the values on images, up to the largest magnitude of all."""
    counts = {name: np.zeros(BINS, np.int64) for name in lasts}
    for _, found in walk.run_all(data):
        for name, array in found.items():
            counts[name] += _count_magnitudes(array, lasts[name])
    return counts


def run_exposed(model: OnnxModel, values: Sequence[str]) -> Callable[[npt.NDArray[Any]], dict[str, npt.NDArray[Any]]]:
    """A function from images to the named values of a model of one input."""
    head = deepcopy(model.head)
    (fed,) = (item.name for item in head.graph.input)
    there = {item.name for item in head.graph.output}
    computed = [name for name in values if name != fed]
    for name in computed:
        if name not in there:
            head.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = create_cpu_session(replace(model, head=head))

    def run(images: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        found = dict(zip(computed, session.run(computed, {fed: images}) if computed else (), strict=True))
        return {name: images if name == fed else found[name] for name in values}

    return run


def create_cpu_session(model: OnnxModel) -> Any:
    """An onnxruntime.InferenceSession of a model that is in memory."""
    return start(to_bytes(model))


def choose_batch(graph: Graph, shape: Sequence[int]) -> int:
    """How many images of a shape may run at once, all their values in memory."""
    (node,) = graph.inputs.values()
    growth = np.prod(shape) / node.shape.elements
    per_image = 4 * sum(other.shape.elements for other in graph) * growth
    return int(np.clip(BUDGET // per_image, 1, LARGEST_BATCH))


class _Reach:
    """The extremes of values on each image, and on all of their pieces, whose bounds among the channels are given."""

    def __init__(self, values: Sequence[str], bounds: Mapping[str, Sequence[int]]) -> None:
        self.bounds = {name: bounds[name] for name in values if name in bounds}
        self.numbers = dict.fromkeys(values, 0)
        self.lows: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in values}
        self.highs: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in values}
        self.pieces = {name: [NOWHERE] * (len(ends) - 1) for name, ends in self.bounds.items()}

    def add(self, found: Mapping[str, npt.NDArray[Any]], source: str) -> None:
        """The values on some images. Raises ArchspecError where a number is not finite."""
        for name, array in found.items():
            rows = array.reshape(len(array), -1)
            lows, highs = rows.min(axis=1), rows.max(axis=1)
            if not (np.isfinite(lows) & np.isfinite(highs)).all():
                raise ArchspecError(
                    f"on the calibration data {source} the value '{name}' holds infinite numbers or NaN"
                )
            if name in self.pieces:
                self.pieces[name] = list(map(_join, self.pieces[name], _measure_pieces(array, self.bounds[name])))
            self.numbers[name] += array.size
            self.lows[name].append(lows)
            self.highs[name].append(highs)

    def join(self, places: Sequence[int]) -> dict[str, Range]:
        """The extremes on the images of some places together."""
        taken = list(places)
        return {
            name: (float(np.concatenate(lows)[taken].min()), float(np.concatenate(self.highs[name])[taken].max()))
            for name, lows in self.lows.items()
        }

    def tell_few(self) -> Iterator[str]:
        """What is said of values of few numbers."""
        few = sorted((count, name) for name, count in self.numbers.items() if count < FEW_NUMBERS)
        if few:
            more = f" (so may {len(few) - 1} more)" if len(few) > 1 else ""
            few_numbers = f"that of {few[0][0]:,} numbers{more}"
            yield f"other images may leave the range of {few[0][1]}, {few_numbers}: calibrate on more images"


def _measure_pieces(array: npt.NDArray[Any], bounds: Sequence[int]) -> list[Range]:
    """The ranges of pieces of (N, C, ...); flattened, a channel is as many as it had positions."""
    places = array.reshape(len(array), bounds[-1], -1)
    starts = bounds[:-1]
    lows = np.minimum.reduceat(places.min(axis=(0, 2)), starts)
    highs = np.maximum.reduceat(places.max(axis=(0, 2)), starts)
    return list(zip(lows.tolist(), highs.tolist(), strict=True))


def _measure_width(range_: Range) -> float:
    """How far a range reaches with zero in it."""
    return max(range_[1], 0.0) - min(range_[0], 0.0)


def _join(first: Range, second: Range) -> Range:
    """NaN where either has one."""
    return float(np.minimum(first[0], second[0])), float(np.maximum(first[1], second[1]))


def _count_magnitudes(array: npt.NDArray[Any], largest: float) -> Counts:
    """The numbers that are not zero, by magnitude."""
    if largest < MIN_SCALE:  # no scale is as small
        return np.zeros(BINS, np.int64)
    places = np.abs(array, dtype=np.float32).ravel()
    places *= np.float32(BINS / largest)
    counts = np.bincount(places.astype(np.intp), minlength=BINS + 1)
    counts[BINS - 1] += counts[BINS]
    counts = counts[:BINS]
    counts[0] -= array.size - np.count_nonzero(array)
    return counts


def _largest(whole: Range) -> float:
    return max(-whole[0], whole[1])


def _cut(whole: Range, threshold: float) -> Range:
    return max(min(whole[0], 0.0), -threshold), min(max(whole[1], 0.0), threshold)
