"""The names of numpy's arrays in signatures; a docstring says what their axes are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""An array of numbers of any type."""
Arrays: TypeAlias = Mapping[str, Array]
"""Arrays by name."""
