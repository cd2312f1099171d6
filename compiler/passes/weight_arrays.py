"""The weights that passes take and give: arrays by name, which may be computed when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from compiler.passes.recorded import RecordedArray, read_numbers


@dataclass(frozen=True, eq=False)
class LazyArray:
    """An array that is computed each time it is asked for, so that a network's new weights are never all in memory."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    compute: Callable[[], NDArray[Any]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.compute(), dtype)


WeightArray: TypeAlias = NDArray[Any] | LazyArray
WeightArrays: TypeAlias = Mapping[str, WeightArray]


def is_recorded(*arrays: Any) -> bool:
    """Tell whether one of the arrays records how it is computed."""
    return any(isinstance(array, RecordedArray) for array in arrays)


def take_array(array: WeightArray) -> NDArray[Any]:
    """Give an array to compute with. One that records how it is computed stays so."""
    return cast(NDArray[Any], array) if is_recorded(array) else np.asarray(array)


def take_double(array: WeightArray) -> NDArray[np.float64]:
    """Give an array to compute with, in double precision."""
    return cast(NDArray[np.float64], take_array(array).astype(np.float64))


def see_numbers(array: WeightArray) -> NDArray[Any]:
    """Give the numbers of an array as they are now, for a decision or a comparison."""
    return np.asarray(read_numbers(array))


def compute_later(compute: Callable[..., NDArray[Any]], like: WeightArray, *others: WeightArray) -> WeightArray:
    """Make what is computed from some arrays, and has the shape and the type of the first, when it is asked for; at
    once where one of them records how it is computed."""
    sources = (like, *others)
    if is_recorded(*sources):
        return compute(*map(take_array, sources))
    return LazyArray(like.shape, like.dtype, lambda: compute(*map(take_array, sources)))
