"""Recorded arrays compute as arrays do, and refuse to forget how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from compiler.passes.recorded import RecordedArray, read_numbers, record

GIVEN = {"a": np.arange(1, 7, dtype=np.float32).reshape(2, 3), "b": np.full((2, 3), 2.0, np.float32)}

COMPUTATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "sum of products": lambda a, b: a * b + 3.0 - b / a,
    "constants on the left": lambda a, b: np.ones((2, 3)) * a - 1 / b,
    "roots": lambda a, b: np.sqrt(np.square(a) + b),
    "sums and means": lambda a, b: -a.sum(1, keepdims=True) * b.mean(0) + a.sum(),
    "layouts": lambda a, b: a.reshape(3, 2).transpose(1, 0)[:, :2].repeat(2, axis=1) * b.reshape(6)[:4],
    "types": lambda a, b: (a.astype(np.float64) * b.astype(np.float64)).astype(np.float32),
}


@pytest.mark.parametrize("name", COMPUTATIONS)
def test_numbers_are_numpys(name: str) -> None:
    compute, recorded = COMPUTATIONS[name], record(GIVEN)
    found, expected = compute(*recorded.values()), compute(*GIVEN.values())
    assert isinstance(found, RecordedArray)
    assert (found.shape, found.dtype, found.ndim, found.size) == (
        expected.shape,
        expected.dtype,
        expected.ndim,
        expected.size,
    )
    assert np.array_equal(found.numbers, expected)


def test_decisions_are_of_the_numbers() -> None:
    a, b = record(GIVEN).values()
    assert isinstance(a > b, np.ndarray)
    assert bool((a > b).any())
    assert not bool((a == b).all())
    assert (a.min(), a.max(), len(a)) == (1.0, 6.0, 2)
    assert a.any()
    assert float(a[0, 1]) == 2.0
    assert read_numbers(a) is GIVEN["a"]
    assert read_numbers(2.0) == 2.0


@pytest.mark.parametrize(
    "forget",
    [
        np.asarray,
        np.exp,
        np.ones_like,
        np.add.reduce,
        lambda a: np.concatenate([a, a]),
        lambda a: np.multiply(a, a, dtype=np.float64),
        lambda a: np.multiply(a, a, out=np.empty((2, 3))),
    ],
)
def test_nothing_is_forgotten_in_silence(forget: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="recorded"):
        forget(record(GIVEN)["a"])
    forget(GIVEN["a"])  # the control: of an array it is done
