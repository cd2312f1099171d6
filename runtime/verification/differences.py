"""Measures of how far results differ, and how far they may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from archspec.arrays import Array

TINY = 1e-12
"""The denominator of a relative difference where every expected number is zero."""

MAX_FLIPS = 1e-3
"""The largest share of positions in which votes may differ: where two channels are nearly equal, rounding decides."""

SAME_SHARE = 5e-3
"""Shares of votes that differ by less are the same, rounded to a type of at least eight binary digits; one vote of two
hundred is as much."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest differences of a file from torch: as a part of its largest number, and as the share of positions in
    which votes differ."""

    numbers: float
    flips: float


LIMITS: Mapping[str, Limits] = MappingProxyType(
    {
        "float64": Limits(1e-8, MAX_FLIPS),
        "float32": Limits(1e-4, MAX_FLIPS),
        "float16": Limits(2e-2, 10 * MAX_FLIPS),
        "bfloat16": Limits(1e-1, 100 * MAX_FLIPS),
        "int8": Limits(2e-1, 100 * MAX_FLIPS),
    }
)
"""The limits by the type that a file computes in; docs/export/precision.md has what was measured."""

EXACT = Limits(0.0, 0.0)
"""The limits of whole numbers, truth values and text."""


def compare(torch_output: Array, onnx_output: Array) -> float:
    """Compute max |a - b| / max |a| in float64; for an `a` of zeros, max |b| over almost nothing."""
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
    """Compute √(mean (a - b)² / mean a²) in float64, for integers of eight bits, which cut off the rare large ones."""
    a, b = torch_output.astype(np.float64), onnx_output.astype(np.float64)
    return float(np.linalg.norm(a - b)) / max(float(np.linalg.norm(a)), TINY)
