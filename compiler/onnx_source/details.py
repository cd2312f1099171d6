"""What a file says of an operation beside shapes, as text that is equal where it says the same."""

from __future__ import annotations

import hashlib
from ctypes import c_float
from typing import Any, TypeAlias

import numpy as np

Details: TypeAlias = tuple[tuple[str, str], ...]
"""The details of an operation: names, each with the text of its value."""

MAX_DETAIL_LETTERS = 40
"""The largest number of letters of a text that stands as it is; of a longer one its hash does."""


def tell_value(value: Any) -> str:
    """Write an attribute or an array as text; what is long as the beginning of its SHA-256."""
    if isinstance(value, float):
        return tell_number(value)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray | list | tuple):
        text = ", ".join(map(tell_value, np.asarray(value, object).reshape(-1).tolist()))
    elif hasattr(value, "SerializeToString"):
        text = value.SerializeToString(deterministic=True).hex()
    else:
        text = str(value)
    stands = len(text) <= MAX_DETAIL_LETTERS and text.isprintable()
    return text if stands else hashlib.sha256(text.encode()).hexdigest()[:12]


def tell_number(number: float) -> str:
    """Write six digits, or as many more as tell it from every other number in single precision; else all that it
    has."""
    texts = (f"{number:.{digits}g}" for digits in range(6, 10))
    return next((text for text in texts if c_float(float(text)).value == number), repr(number))
