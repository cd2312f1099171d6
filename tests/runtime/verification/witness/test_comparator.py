"""Outputs of two runs are near where their finite numbers are, and what is not finite is the same in both."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.arrays import Array
from archspec.errors import ArchspecError
from runtime.verification.differences import LIMITS
from runtime.verification.witness.comparator import Comparator

NEAR = Comparator(LIMITS["float32"], "float32")
INF, NAN = np.inf, np.nan


def measure(found: Array, expected: Array, comparator: Comparator = NEAR) -> float:
    return comparator.measure({"y": found}, ("a witness", {"y": expected}))


def test_the_largest_difference_counts() -> None:
    expected = np.array([1.0, 2.0], np.float32)
    near = expected * np.float32(1 + 4e-5)
    assert measure(near, expected) == pytest.approx(4e-5, rel=1e-2)
    assert NEAR.compare({"y": expected}, ("a witness", {"y": expected})) == "a witness agrees to 0.0e+00"
    with pytest.raises(
        ArchspecError, match=r"'y' differs from a witness by 0.001 of its largest value, at most 0.0001"
    ):
        measure(expected * np.float32(1.001), expected)


def test_other_shapes_are_no_answer() -> None:
    with pytest.raises(ArchspecError, match=r"the output 'y' is \(2,\), and \(2, 1\) in a witness"):
        measure(np.zeros(2, np.float32), np.zeros((2, 1), np.float32))


@pytest.mark.parametrize(
    ("found", "expected", "near"),
    [
        ([1, INF, -INF, NAN], [1, INF, -INF, NAN], True),
        ([1, INF], [1, -INF], False),
        ([1, INF], [1, NAN], False),
        ([1, INF], [1, 3e38], False),
        ([1, 2], [1, NAN], False),
        ([1.5, INF], [1, INF], False),
    ],
)
def test_what_is_not_finite_is_the_same(found: list[float], expected: list[float], near: bool) -> None:
    arrays = np.array(found, np.float32), np.array(expected, np.float32)
    if near:
        assert measure(*arrays) == 0
        return
    with pytest.raises(ArchspecError, match="output 'y'"):
        measure(*arrays)


def test_whole_numbers_are_counted_and_rounded_ones_measured() -> None:
    whole, other = np.arange(100, dtype=np.int64), np.arange(100, dtype=np.int64)
    other[7] = 50
    assert measure(whole, whole) == 0
    with pytest.raises(ArchspecError, match="of its positions"):
        measure(whole, other)
    steps = Comparator(LIMITS["int8"], "int8")
    bytes = np.arange(100, dtype=np.uint8)
    assert measure(bytes, bytes + np.uint8(1), steps) == pytest.approx(1 / 100)  # one step of eight bits
    with pytest.raises(ArchspecError, match="of its largest value"):
        measure(bytes, bytes // np.uint8(2), steps)


def test_votes_are_compared_by_position() -> None:
    shares = np.zeros((1, 2, 40, 40), np.float32)
    shares[:, 0] = 1
    other = shares.copy()
    other[0, :, 0, 0] = 0.5
    votes = Comparator(LIMITS["float32"], "float32", votes=["y"])
    assert measure(other, shares, votes) == 1 / 1600
    with pytest.raises(ArchspecError, match="of its largest value"):
        measure(other, shares)
