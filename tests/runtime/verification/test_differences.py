"""Measures of difference: none for equal numbers, and what numpy or a count by hand says for others."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.verification.differences import (
    LIMITS,
    compare,
    compare_places,
    compare_power,
    compare_votes,
)

A = np.array([[1.0, -4.0], [2.0, 0.0]], np.float32)
B = np.array([[1.0, -3.0], [2.0, 0.5]], np.float32)


def test_differences_are_parts_of_the_largest_number() -> None:
    assert (compare(A, A), compare(A, B)) == (0, 0.25)
    assert compare(0 * A, B) > 1e11  # of zeros nothing is a part
    assert compare(A[:0], B[:0]) == 0
    assert np.isnan(compare(np.array([np.inf]), np.array([np.inf])))
    ends = np.array([3e38, -3e38], np.float32)
    assert compare(ends, -ends) == 2  # in float64: no overflow


def test_differences_of_power_are_those_of_norms() -> None:
    assert compare_power(A, A) == 0
    assert compare_power(A, B) == pytest.approx(float(np.sqrt(np.mean((A - B) ** 2) / np.mean(A**2))))


def test_votes_differ_by_position() -> None:
    shares = np.zeros((1, 2, 2, 2), np.float32)
    shares[:, 0] = 1
    other = shares.copy()
    other[0, :, 0, 0] = 0.5
    assert (compare_votes(shares, shares), compare_votes(shares, other)) == (0, 0.25)
    other = shares + 4e-3  # one vote of two hundred is as much
    assert compare_votes(shares, other) == 0
    assert compare_votes(shares, shares + 6e-3) == 1
    assert compare_votes(shares[:0], other[:0]) == 0


def test_places_are_counted() -> None:
    assert compare_places(np.array(["a", "b"]), np.array(["a", "c"])) == 0.5
    assert compare_places(np.arange(4), np.arange(4)) == 0
    assert compare_places(np.arange(0), np.arange(0)) == 0


def test_a_type_of_fewer_digits_has_a_wider_limit() -> None:
    """More than its own rounding: one unit in the last place is half of the type's epsilon."""
    assert LIMITS["float64"].numbers > np.finfo(np.float64).eps
    assert LIMITS["float32"].numbers > np.finfo(np.float32).eps
    assert LIMITS["float16"].numbers > np.finfo(np.float16).eps
    assert LIMITS["bfloat16"].numbers > 2**-8
    numbers = [LIMITS[dtype].numbers for dtype in ("float64", "float32", "float16", "bfloat16", "int8")]
    assert numbers == sorted(set(numbers))
