"""The ranges of a model's values on calibration data, measured by running it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError, suggest
from compiler.graph import Graph
from compiler.onnx_target.built import OnnxModel
from compiler.onnx_target.scheme import TINIEST, Range
from runtime.extras import extra
from runtime.int8.data import CalibrationData
from runtime.settings import new_options

with extra("run"):
    import onnx
    import onnxruntime as ort

    from compiler.onnx_target.write import to_bytes

Counts = npt.NDArray[np.int64]

BINS, LEVELS = 2048, 128
"""Bins of a histogram of magnitudes, and how many of them eight bits with a sign tell apart."""

KEPT = 0.9999
"""The share of a value's numbers that the method `percentile` gives a place."""

BUDGET = 1 << 28
"""Bytes of values in memory at a time, about."""

LARGEST_BATCH = 64
NEVER = 1e-9

OnStep = Callable[[int, int], None]


def measure_ranges(
    model: OnnxModel,
    values: Sequence[str],
    data: CalibrationData,
    method: str = "percentile",
    on_step: OnStep = lambda done, of: None,
) -> dict[str, Range]:
    """The lowest and the highest number of each value that int8 should have a place for, by name.

    `minmax` takes all. The others cut magnitudes at a threshold, by a histogram that a second pass makes: `percentile`
    where 99.99 % of the numbers lie below, `entropy` where rounding to eight bits changes the distribution least (the
    Kullback-Leibler divergence; Migacz, 8-bit inference with TensorRT, GTC 2017). The values of a few images at a time
    lie in memory. Raises ArchspecError for an unknown method, and where an image or a value is not finite.
    """
    if method not in METHODS:
        raise ArchspecError(f"no calibration '{method}'{suggest(method, METHODS)} (available: {', '.join(METHODS)})")
    find_threshold = METHODS[method]
    run = run_exposed(model, values)
    batch = choose_batch(model.graph, data.shape)
    passes = -(-len(data) // batch) * (1 if find_threshold is None else 2)
    extremes = dict.fromkeys(values, (0.0, 0.0))
    for done, images in enumerate(data.batches(batch), start=1):
        for name, array in run(images).items():
            extremes[name] = _widen(extremes[name], array, name, data)
        on_step(done, passes)
    if find_threshold is None:
        return extremes
    counts = {name: np.zeros(BINS, np.int64) for name in values}
    for done, images in enumerate(data.batches(batch), start=passes // 2 + 1):
        for name, array in run(images).items():
            counts[name] += _count_magnitudes(array, _largest(extremes[name]))
        on_step(done, passes)
    return {name: _cut(extremes[name], find_threshold(counts[name])) for name in values}


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


def find_percentile(counts: Counts) -> float:
    """The share of the largest magnitude below which 99.99 % of the numbers lie, in whole bins."""
    below = np.cumsum(counts)
    return float(np.searchsorted(below, KEPT * below[-1]) + 1) / BINS


def find_least_entropy(counts: Counts) -> float:
    """The share of the largest magnitude to cut at: of every sixteenth bin the one with the least divergence between
    the numbers, those beyond at the end, and what 128 levels make of them; 1 for too few numbers."""
    if counts[1:].sum() < BINS:  # in fewer numbers than bins there is no distribution to see
        return 1.0
    counts = counts.copy()
    counts[0] = counts[1]  # zeros are exact at any threshold, and so many after a ReLU that they hide the rest
    ends = range(LEVELS, BINS + 1, LEVELS // 8)
    return min(ends, key=lambda end: _diverge(counts, end)) / BINS


def _diverge(counts: Counts, end: int) -> float:
    """The Kullback-Leibler divergence of the first `end` bins from their rounding to the levels."""
    inside = counts[:end].astype(np.float64)
    there = inside > 0
    if not there.any():
        return np.inf
    starts = np.arange(LEVELS) * end // LEVELS
    filled = np.add.reduceat(there, starts)
    level = np.add.reduceat(inside, starts) / np.maximum(filled, 1)
    rounded = np.repeat(level, np.diff([*starts, end])) * there
    inside[-1] += counts[end:].sum()
    p, q = inside / inside.sum(), np.maximum(rounded / rounded.sum(), NEVER)
    return float(np.sum(p[p > 0] * np.log(p[p > 0] / q[p > 0])))


METHODS: Mapping[str, Callable[[Counts], float] | None] = MappingProxyType(
    {"minmax": None, "entropy": find_least_entropy, "percentile": find_percentile}
)
"""How ranges are found: from the histogram of a value's magnitudes the share of the largest to cut at."""


def _widen(extremes: Range, array: npt.NDArray[Any], name: str, data: CalibrationData) -> Range:
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ArchspecError(f"on the calibration data {data.name} the value '{name}' holds infinite numbers or NaN")
    return min(extremes[0], low), max(extremes[1], high)


def _count_magnitudes(array: npt.NDArray[Any], largest: float) -> Counts:
    if largest < TINIEST:  # no scale is as small
        return np.bincount([0], minlength=BINS)
    places = np.abs(array, dtype=np.float32).ravel() * np.float32(BINS / largest)
    return np.bincount(np.minimum(places.astype(np.int32), BINS - 1), minlength=BINS)


def _largest(extremes: Range) -> float:
    return max(-extremes[0], extremes[1])


def _cut(extremes: Range, share: float) -> Range:
    threshold = share * _largest(extremes)
    return max(extremes[0], -threshold), min(extremes[1], threshold)
