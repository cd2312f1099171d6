"""Arrays that remember how they were computed: what passes do to weights, for others to do again with other numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike, NDArray

UFUNCS = frozenset({"add", "subtract", "multiply", "divide", "negative", "sqrt", "square"})
"""The functions of numpy that are recorded. Comparisons are decisions, and give plain arrays."""

METHODS = frozenset({"astype", "reshape", "transpose", "repeat", "sum", "mean", "__getitem__"})
"""The methods of arrays that are recorded; an argument is the same whatever the numbers are."""


@dataclass(frozen=True, eq=False, slots=True)
class RecordedArray(NDArrayOperatorsMixin):
    """An array with its `numbers`, and how it was made: by the function or method of numpy of that name, of `operands`
    and with `options`; or given, under a name that is its only operand.

    It computes as an array does, and so records what passes do to weights. It does not become a plain array by itself,
    which would forget that: numpy raises TypeError. Who wants numbers for a decision takes them.
    """

    numbers: NDArray[Any]
    function: str
    operands: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    GIVEN = "given"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.numbers.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.numbers.dtype

    @property
    def ndim(self) -> int:
        return self.numbers.ndim

    @property
    def size(self) -> int:
        return self.numbers.size

    def __len__(self) -> int:
        return len(self.numbers)

    def __float__(self) -> float:
        """Give the number as it is now: what follows from it does not change with the weights any more."""
        return float(self.numbers)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        raise TypeError("a recorded array would forget how it was computed")

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(f"numpy.{function.__name__} of a recorded array is not recorded")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        numbers = ufunc(*map(read_numbers, inputs), **options) if method == "__call__" else None
        if numbers is not None and numbers.dtype == np.bool_:
            return numbers
        if numbers is None or options or ufunc.__name__ not in UFUNCS:
            raise TypeError(f"numpy.{ufunc.__name__} of a recorded array is not recorded")
        return RecordedArray(numbers, ufunc.__name__, inputs)

    def _call(self, method: str, *args: Any, **options: Any) -> RecordedArray:
        return RecordedArray(getattr(self.numbers, method)(*args, **options), method, (self, *args), options)

    def astype(self, dtype: DTypeLike) -> RecordedArray:
        return self if np.dtype(dtype) == self.dtype else self._call("astype", np.dtype(dtype))

    def reshape(self, *shape: Any) -> RecordedArray:
        return self._call("reshape", *shape)

    def transpose(self, *axes: Any) -> RecordedArray:
        return self._call("transpose", *axes)

    def repeat(self, times: int, axis: int | None = None) -> RecordedArray:
        return self._call("repeat", times, axis=axis)

    def sum(self, axis: Any = None, *, keepdims: bool = False) -> RecordedArray:
        return self._call("sum", axis, keepdims=keepdims)

    def mean(self, axis: Any = None, *, keepdims: bool = False) -> RecordedArray:
        return self._call("mean", axis, keepdims=keepdims)

    def __getitem__(self, index: Any) -> RecordedArray:
        return self._call("__getitem__", index)

    def any(self) -> bool:
        return bool(self.numbers.any())

    def all(self) -> bool:
        return bool(self.numbers.all())

    def min(self) -> float:
        return float(self.numbers.min())

    def max(self) -> float:
        return float(self.numbers.max())


def record(weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Give each array of the weights a record that begins with its name. Passes take them for arrays."""
    recorded = {name: RecordedArray(np.asarray(array), RecordedArray.GIVEN, (name,)) for name, array in weights.items()}
    return cast(dict[str, NDArray[Any]], recorded)


def read_numbers(array: Any) -> Any:
    """Give the numbers of an array as they are now; whatever is not recorded as it is."""
    return array.numbers if isinstance(array, RecordedArray) else array
