"""Thresholds against definitions: quantiles, scipy's entropy, and squared errors of numbers that are rounded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import entropy

from compiler.onnx_target.int8.scheme import Int8Recipe
from runtime.int8.calibrate import count_magnitudes
from runtime.int8.clipping import (
    BINS,
    LEVELS,
    METHODS,
    Histogram,
    find_least_entropy,
    find_least_error,
    find_percentile,
)


def histogram(counts: NDArray[np.int64], recipe: Int8Recipe = "s8s8") -> Histogram:
    return Histogram(counts, (-1.0, 1.0), 1.0, recipe)


def count(numbers: NDArray[Any], recipe: Int8Recipe = "s8s8") -> Histogram:
    low, high = float(numbers.min()), float(numbers.max())
    return Histogram(count_magnitudes(numbers, max(-low, high)), (low, high), max(-low, high), recipe)


def test_methods_on_known_histograms() -> None:
    counts = np.zeros(BINS, np.int64)
    counts[:1024], counts[-1] = 1000, 50
    assert find_percentile(histogram(counts)) == pytest.approx(0.5, abs=2 / BINS)
    assert find_percentile(histogram(np.ones(BINS, np.int64))) == pytest.approx(0.9999, abs=2 / BINS)
    bell = np.histogram(np.abs(np.random.default_rng(0).standard_normal(200_000)), BINS)[0]
    tailed = np.histogram(np.abs(np.random.default_rng(0).standard_t(2, 200_000)), BINS)[0]
    assert (
        find_least_entropy(histogram(tailed)) < find_percentile(histogram(tailed)) < find_least_entropy(histogram(bell))
    )


def test_few_numbers_are_not_cut_by_entropy() -> None:
    """700 in 2048 bins, of whose range a fifth would be cut."""
    few = np.histogram(np.abs(np.random.default_rng(0).standard_normal(700)), BINS)[0]
    assert find_least_entropy(histogram(few)) == 1


def test_entropy_is_the_divergence_of_scipy() -> None:
    counts = np.histogram(np.random.default_rng(1).exponential(size=100_000), BINS)[0].astype(np.int64)
    expected = counts.astype(float)
    expected[0] = expected[1]
    worst = {}
    for end in range(LEVELS, BINS + 1, LEVELS // 8):
        p = expected[:end].copy()
        p[-1] += expected[end:].sum()
        q = np.zeros(end)
        for part in np.array_split(np.arange(end), LEVELS) if end % LEVELS == 0 else _levels(end):
            filled = part[expected[part] > 0]
            q[filled] = expected[part].sum() / max(len(filled), 1)
        worst[end] = entropy(p, np.maximum(q / q.sum(), 1e-9))
    assert find_least_entropy(histogram(counts)) * BINS == pytest.approx(min(worst, key=lambda end: worst[end]), abs=16)


def _levels(end: int) -> list[NDArray[Any]]:
    return np.split(np.arange(end), [level * end // LEVELS for level in range(1, LEVELS)])


@pytest.mark.parametrize("method", [name for name, find in METHODS.items() if find is not None])
def test_zeros_do_not_count(method: str) -> None:
    """A million of them beside a few thousand numbers: the threshold is that of the numbers alone."""
    find = METHODS[method]
    assert find is not None
    numbers = np.random.default_rng(0).exponential(size=5000).astype(np.float32)
    among_zeros = np.concatenate([numbers, np.zeros(1_000_000, np.float32)])
    assert find(count(among_zeros)) == find(count(numbers))
    assert np.quantile(among_zeros, 0.9999) < 0.8 * np.quantile(numbers, 0.9999)  # the control


@pytest.mark.parametrize("method", [name for name, find in METHODS.items() if find is not None])
def test_nothing_but_zeros_is_not_cut(method: str) -> None:
    find = METHODS[method]
    assert find is not None
    assert find(count(np.zeros(100, np.float32))) == 1


NUMBERS = {
    "normal": lambda random: random.standard_normal(20_000),
    "heavy tails": lambda random: random.standard_t(3, 20_000),
    "one side": lambda random: np.maximum(random.standard_normal(20_000), 0),
    "more below": lambda random: -random.exponential(size=20_000) + 0.5,
    "few and large": lambda random: np.where(random.random(20_000) < 0.001, 1, 0.01) * random.random(20_000),
}


@pytest.mark.parametrize("recipe", ["u8s8", "s8s8"])
@pytest.mark.parametrize("kind", NUMBERS)
def test_least_error_is_that_of_rounded_numbers(kind: str, recipe: Int8Recipe) -> None:
    """Against rounding the numbers themselves, at many thresholds."""
    numbers = NUMBERS[kind](np.random.default_rng(0)).astype(np.float32)
    largest = float(np.abs(numbers).max())

    def measure_error(share: float) -> float:
        low, high = max(float(numbers.min()), -share * largest), min(float(numbers.max()), share * largest)
        low, high = min(low, 0), max(high, 0)
        step = (high - low) / 255 if recipe == "u8s8" else max(-low, high) / 127
        return float(np.square(np.rint(np.clip(numbers, low, high) / step) * step - numbers).sum())

    errors = [measure_error(share) for share in np.geomspace(1 / 64, 1, 200)]
    found = measure_error(find_least_error(count(numbers, recipe)))
    assert found <= 1.05 * min(errors)  # thresholds are tried 4 % apart
    assert max(errors) > 1.5 * min(errors)  # the control: thresholds matter
