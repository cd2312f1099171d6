"""Arrays that are computed each time they are asked for."""

from __future__ import annotations

import numpy as np

from compiler.passes.weight_arrays import LazyArray


def test_lazy_array_is_computed_each_time_and_never_kept() -> None:
    asked: list[int] = []

    def compute() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        asked.append(1)
        return np.arange(3, dtype=np.float32)

    lazy = LazyArray((3,), np.dtype(np.float32), compute)
    assert not asked
    np.testing.assert_array_equal(np.asarray(lazy), [0, 1, 2])
    assert np.asarray(lazy, np.float64).dtype == np.float64
    assert len(asked) == 2
