"""The names of numpy's arrays in signatures; a docstring says what their axes are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""An array of numbers of any type."""
Float32Array: TypeAlias = NDArray[np.float32]
"""An array of float32."""
Float64Array: TypeAlias = NDArray[np.float64]
"""An array of float64."""
Arrays: TypeAlias = Mapping[str, Array]
"""Arrays by name."""
