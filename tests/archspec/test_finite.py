"""Finite numbers are told from others wherever they lie, in arrays of any layout."""

from __future__ import annotations

import tracemalloc

import ml_dtypes
import numpy as np
import pytest

from archspec.finite import BLOCK, has_nan, is_finite

SIZE = 3 * BLOCK + 5


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.complex64, ml_dtypes.bfloat16])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, BLOCK - 1, BLOCK, SIZE - 1])
def test_one_number_is_found(kind: type, value: float, place: int) -> None:
    array: np.ndarray = np.ones(SIZE, kind)
    assert is_finite(array)
    array[place] = value
    assert not is_finite(array)
    assert is_finite(np.delete(array, place))


@pytest.mark.parametrize("layout", ["turned", "stepped", "backwards"])
def test_any_layout_is_read(layout: str) -> None:
    array = np.ones((400, 501), np.float32)
    view = {"turned": array.T, "stepped": array[::3, 1::2], "backwards": array[::-1, ::-1]}[layout]
    assert is_finite(view)
    array[3, 5] = np.nan
    assert not is_finite(view)
    array[3, 5], array[4, 4] = 1, np.nan
    assert is_finite(view) == (layout == "stepped")


@pytest.mark.parametrize("array", [np.zeros((0, 3)), np.array(1.5), np.arange(5), np.array([True]), np.empty(0, "i1")])
def test_what_cannot_be_infinite_is_finite(array: np.ndarray) -> None:
    assert is_finite(array)


def test_little_memory_is_needed() -> None:
    array = np.ones(1 << 24, np.float32)
    tracemalloc.start()
    try:
        assert is_finite(array)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20  # numpy.isfinite alone would make 16 MiB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_signalling_nan_is_found_without_a_warning(dtype: type) -> None:
    bits = np.array([0x7C01 if dtype is np.float16 else 0x7F800001], np.uint16 if dtype is np.float16 else np.uint32)
    assert not is_finite(bits.view(dtype))
    assert has_nan(bits.view(dtype))
    assert not has_nan(np.array([1, np.inf], dtype))
