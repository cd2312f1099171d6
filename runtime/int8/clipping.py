"""The threshold at which a value's numbers are cut, so that the integers that are left stand closer together.

Zeros do not count anywhere here: they are exact at any threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from compiler.onnx_target.int8.scheme import Int8Recipe, ValueRange, choose_quant_params

BinCounts = npt.NDArray[np.int64]

BINS, LEVELS = 2048, 128
"""The number of bins of a histogram of magnitudes, and the number of magnitudes that eight bits with a sign have."""

KEPT = 0.9999
"""The share of a value's numbers that the method `percentile` gives a place."""

ENDS = np.unique(np.geomspace(LEVELS / 8, BINS, 129).round()).astype(np.int64)
"""The thresholds, in bins, that the method `mse` tries."""

NEVER = 1e-9
"""The share of a level that has no number, so that its logarithm is finite."""


@dataclass(frozen=True, eq=False, slots=True)
class Histogram:
    """The number of a value's numbers, but for zeros, of each magnitude, in BINS from 0 to `last`; from the lowest
    to the highest of these numbers; for which recipe."""

    counts: BinCounts
    whole: ValueRange
    last: float
    recipe: Int8Recipe

    def measure_step(self, end: int) -> float:
        """Measure how many bins two neighbouring integers are apart, where magnitudes are cut behind so many bins."""
        low, high = (float(np.clip(number / self.last * BINS, -end, end)) for number in self.whole)
        return float(choose_quant_params(self.recipe, (low, high)).scale)


def find_percentile(histogram: Histogram) -> float:
    """Find the share of the last magnitude below which 99.99 % of the numbers lie, in whole bins; 1 for none."""
    below = np.cumsum(histogram.counts)
    return float(np.searchsorted(below, KEPT * below[-1]) + 1) / BINS if below[-1] else 1.0


def find_least_error(histogram: Histogram) -> float:
    """Find the share of the last magnitude to cut at so that rounding what lies below, and cutting what lies beyond,
    have the least sum of squared errors."""
    if not histogram.counts.any():
        return 1.0
    sums = _list_errors(tuple(map(histogram.measure_step, ENDS.tolist()))) @ histogram.counts.astype(np.float64)
    return float(ENDS[len(ENDS) - 1 - np.argmin(sums[::-1])]) / BINS  # of equal ones the last


@lru_cache(maxsize=4)
def _list_errors(steps: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """List, for the step at each of the thresholds, the squared error of a number of each bin, (thresholds, BINS): it
    lies somewhere in its bin. Values whose numbers are all positive have the same steps."""
    middles, fine = np.arange(BINS) + 0.5, np.array(steps) < 1
    step, end = np.array(steps)[~fine, None], ENDS[~fine, None]
    reached = np.minimum(middles, ENDS[:, None])
    reached[~fine] = np.minimum(np.rint(middles / step) * step, end)
    errors: npt.NDArray[np.float64] = np.square(middles - reached) + 1 / 12  # the variance in a bin
    for row in np.flatnonzero(fine):
        errors[row, : ENDS[row]] = steps[row] ** 2 / 12  # several integers to a bin
    return errors


def find_least_entropy(histogram: Histogram) -> float:
    """Find the share of the last magnitude to cut at: of every sixteenth bin the one with the least divergence between
    the numbers, those beyond at the end, and what 128 levels make of them; 1 for too few numbers."""
    counts = histogram.counts.copy()
    if counts[1:].sum() < BINS:  # in fewer numbers than bins there is no distribution to see
        return 1.0
    counts[0] = counts[1]  # what is nearly zero is nearly exact, and so much that it hides the rest
    ends = range(LEVELS, BINS + 1, LEVELS // 8)
    return min(ends, key=lambda end: _diverge(counts, end)) / BINS


def _diverge(counts: BinCounts, end: int) -> float:
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


METHODS: Mapping[str, Callable[[Histogram], float] | None] = MappingProxyType(
    {"mse": find_least_error, "minmax": None, "entropy": find_least_entropy, "percentile": find_percentile}
)
"""The ways to find ranges, each a function to the share of the last magnitude to cut at. The first is the default."""
