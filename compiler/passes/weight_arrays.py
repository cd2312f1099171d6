"""The weights that passes take and give: arrays by name, which may be computed when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray


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
