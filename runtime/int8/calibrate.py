"""The ranges of a model's values on calibration data, measured by running it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError, suggest
from compiler.graph import Graph
from compiler.onnx_target.built import OnnxModel
from compiler.onnx_target.pieces import find_pieces
from compiler.onnx_target.scheme import TINIEST, Range, Recipe
from runtime.extras import extra
from runtime.int8.check import FEW, LEAST_WIDTH, InputExtremes
from runtime.int8.data import CalibrationData
from runtime.int8.thresholds import BINS, METHODS, Counts, Histogram
from runtime.settings import new_options

with extra("run"):
    import onnx
    import onnxruntime as ort

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
    channels of one origin, where a value has channels of several. `notes` say what is odd about the data."""

    ranges: Ranges
    folds: tuple[Fold, ...]
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
    parts = data.split(FOLDS if len(data) >= FEW else 1)
    passes, batch = (1 if find_threshold is None else 2), choose_batch(model.graph, data.shape)
    walk = _Walk(run_exposed(model, values), parts, batch, passes, on_step)
    seen = InputExtremes(data)
    reaches = _reach_all(walk, [_Reach(values, find_pieces(model)) for _ in parts], seen)
    every = _Reach.join(reaches)
    notes = (*seen.judge(), *(every.tell_few() if len(data) >= FEW else ()))
    lasts = {name: _largest(whole) for name, whole in every.whole.items()}
    counts = [] if find_threshold is None else _count_all(walk, lasts)

    def cut(numbers: Sequence[int]) -> Ranges:
        """The ranges of some parts together."""
        whole = _Reach.join([reaches[number] for number in numbers]).whole
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
    folds = tuple(Fold(part, cut(rest) if rest else ranges) for part, rest in zip(parts, others, strict=True))
    return Measured(ranges, folds, every.pieces, notes)


@dataclass(frozen=True, eq=False, slots=True)
class _Walk:
    """Runs a model on the images of all parts, some at a time; `on_step` is told how far all `passes` have come."""

    run: Callable[[npt.NDArray[Any]], Mapping[str, npt.NDArray[Any]]]
    parts: Sequence[CalibrationData]
    batch: int
    passes: int
    on_step: OnStep
    _step: Iterator[int] = field(default_factory=lambda: count(1))

    def run_all(self) -> Iterator[tuple[int, npt.NDArray[Any], Mapping[str, npt.NDArray[Any]]]]:
        """A pass: the number of a part, images of it, and the model's values on them, by name."""
        steps = self.passes * sum(-(-len(part) // self.batch) for part in self.parts)
        for number, part in enumerate(self.parts):
            for images in part.batches(self.batch):
                yield number, images, self.run(images)
                self.on_step(next(self._step), steps)


def _reach_all(walk: _Walk, reaches: list[_Reach], seen: InputExtremes) -> list[_Reach]:
    """The extremes of the values of each part, and those `seen` of the images. Raises ArchspecError where a number is
    not finite."""
    for number, images, found in walk.run_all():
        seen.add(images)
        for name, array in found.items():
            reaches[number].widen(name, array, seen.data.name)
    return reaches


def _count_all(walk: _Walk, lasts: Mapping[str, float]) -> list[dict[str, Counts]]:
    """The histograms of the values of each part, up to the largest magnitude of all."""
    counts = [{name: np.zeros(BINS, np.int64) for name in lasts} for _ in walk.parts]
    for number, _, found in walk.run_all():
        for name, array in found.items():
            counts[number][name] += _count_magnitudes(array, lasts[name])
    return counts


def run_exposed(model: OnnxModel, values: Sequence[str]) -> Callable[[npt.NDArray[Any]], dict[str, npt.NDArray[Any]]]:
    """A function from images to the named values of a model of one input."""
    head = onnx.ModelProto()
    head.CopyFrom(model.head)
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
    return ort.InferenceSession(to_bytes(model), new_options(), providers=["CPUExecutionProvider"])


def choose_batch(graph: Graph, shape: Sequence[int]) -> int:
    """How many images of a shape may run at once, all their values in memory."""
    (node,) = graph.inputs.values()
    growth = np.prod(shape) / node.shape.elements
    per_image = 4 * sum(other.shape.elements for other in graph) * growth
    return int(np.clip(BUDGET // per_image, 1, LARGEST_BATCH))


class _Reach:
    """The extremes of values, and of their pieces, whose bounds among the channels are given."""

    def __init__(self, values: Sequence[str], bounds: Mapping[str, Sequence[int]]) -> None:
        self.bounds = bounds
        self.numbers = dict.fromkeys(values, 0)
        self.whole: dict[str, Range] = dict.fromkeys(values, NOWHERE)
        self.pieces: dict[str, list[Range]] = {
            name: [NOWHERE] * (len(bounds[name]) - 1) for name in values if name in bounds
        }

    def widen(self, name: str, array: npt.NDArray[Any], source: str) -> None:
        """Raises ArchspecError where a number is not finite."""
        self.numbers[name] += array.size
        if name not in self.pieces:
            self.whole[name] = _join(self.whole[name], (float(array.min()), float(array.max())))
        else:
            pieces = list(map(_join, self.pieces[name], _measure_pieces(array, self.bounds[name])))
            self.pieces[name], self.whole[name] = pieces, reduce(_join, pieces)
        if not np.isfinite(self.whole[name]).all():
            raise ArchspecError(f"on the calibration data {source} the value '{name}' holds infinite numbers or NaN")

    @classmethod
    def join(cls, parts: Sequence[_Reach]) -> _Reach:
        """Of all numbers of several."""
        joined = cls(list(parts[0].whole), parts[0].bounds)
        for part in parts:
            for name, whole in part.whole.items():
                joined.numbers[name] += part.numbers[name]
                joined.whole[name] = _join(joined.whole[name], whole)
            for name, pieces in part.pieces.items():
                joined.pieces[name] = list(map(_join, joined.pieces[name], pieces))
        return joined

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
    if largest < TINIEST:  # no scale is as small
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
