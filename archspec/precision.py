"""The floating-point numbers in which a network computes, in one type for analyses, exports and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

FloatPrecision: TypeAlias = Literal["fp32", "fp16", "bf16"]

BYTES: Mapping[FloatPrecision, int] = MappingProxyType({"fp32": 4, "fp16": 2, "bf16": 2})
"""The bytes of a number in each precision."""
