"""How near results are to each other, and how near is near enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from archspec.arrays import Array

TINY = 1e-12

MOST_FLIPS = 1e-3
"""The share of positions in which votes may differ: where two channels are nearly equal, rounding decides."""

SAME_SHARE = 5e-3
"""Shares of votes that differ by less are the same, rounded to a type of at least eight binary digits; one vote of two
hundred is as much."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a file may be from torch: of its largest number, and in the share of positions in which votes differ."""

    numbers: float
    flips: float


LIMITS: Mapping[str, Limits] = MappingProxyType(
    {
        "float64": Limits(1e-8, MOST_FLIPS),
        "float32": Limits(1e-4, MOST_FLIPS),
        "float16": Limits(2e-2, 10 * MOST_FLIPS),
        "bfloat16": Limits(1e-1, 100 * MOST_FLIPS),
        "int8": Limits(2e-1, 100 * MOST_FLIPS),
    }
)
"""By the type that a file computes in, see docs/export/precision.md for what was measured."""

EXACT = Limits(0.0, 0.0)
"""Of whole numbers, truth values and text."""


def compare(torch_output: Array, onnx_output: Array) -> float:
    """max |a - b| / max |a| in float64; for an `a` of zeros, max |b| over almost nothing."""
    if not torch_output.size:
        return 0.0
    a, b = torch_output.astype(np.float64), onnx_output.astype(np.float64)
    with np.errstate(invalid="ignore"):  # inf - inf, which is no agreement
        return float(np.abs(a - b).max() / max(np.abs(a).max(), TINY))


def compare_votes(torch_output: Array, onnx_output: Array) -> float:
    """The share of positions, (N, C, *S) without C, in which any channel has another share of votes."""
    differs = np.abs(torch_output - onnx_output).max(axis=1) > SAME_SHARE
    return float(differs.mean()) if differs.size else 0.0


def compare_places(expected: Array, found: Array) -> float:
    """The share of places that differ, of what is not measured but counted, or text."""
    return float((expected != found).mean()) if expected.size else 0.0


def compare_power(torch_output: Array, onnx_output: Array) -> float:
    """√(mean (a - b)² / mean a²) in float64: for integers of eight bits, which cut off what is rare and large."""
    a, b = torch_output.astype(np.float64), onnx_output.astype(np.float64)
    return float(np.linalg.norm(a - b)) / max(float(np.linalg.norm(a)), TINY)
