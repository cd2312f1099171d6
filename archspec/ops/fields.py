"""The types of the fields that an operation declares: whole and real numbers within bounds, flags and paddings."""

from __future__ import annotations

from math import inf
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from archspec.bounds import MAX_WHOLE

MAX_REAL = 3.4e38
"""The largest magnitude of a real number that a field takes: about what single precision holds."""


def _exact_int(value: Any) -> Any:
    """Let 2.0 pass as 2, and neither 2.5 nor true nor "2"."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("should be a whole number")
    if value != value // 1:
        raise ValueError(f"should be a whole number, found {value:g}")
    return int(value)


def _exact_float(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("should be a number")
    if MAX_REAL < abs(value) < inf:  # infinity is refused by the field
        raise ValueError(f"should be a number of at most {MAX_REAL:g}, found {value}")
    return float(value)


_Size = Annotated[int, Field(ge=1, le=MAX_WHOLE)]
_Count = Annotated[int, Field(ge=0, le=MAX_WHOLE)]
_Real = Annotated[float, Field(allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Gain = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Ratio = Annotated[float, Field(ge=1, allow_inf_nan=False)]
_Tiny = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Flag: TypeAlias = Annotated[bool, Field(strict=True)]
Positive: TypeAlias = Annotated[_Size, BeforeValidator(_exact_int, json_schema_input_type=_Size)]
NonNegative: TypeAlias = Annotated[_Count, BeforeValidator(_exact_int, json_schema_input_type=_Count)]
Number: TypeAlias = Annotated[_Real, BeforeValidator(_exact_float, json_schema_input_type=_Real)]
Epsilon: TypeAlias = Annotated[_Tiny, BeforeValidator(_exact_float, json_schema_input_type=_Tiny)]
Gain: TypeAlias = Annotated[_Gain, BeforeValidator(_exact_float, json_schema_input_type=_Gain)]
Ratio: TypeAlias = Annotated[_Ratio, BeforeValidator(_exact_float, json_schema_input_type=_Ratio)]
Probability: TypeAlias = Annotated[_Share, BeforeValidator(_exact_float, json_schema_input_type=_Share)]


def _exact_padding(value: Any) -> Any:
    if value == "same":
        return value
    if not 0 <= _exact_int(value) <= MAX_WHOLE:  # said here, since a union would say it once for each alternative
        raise ValueError(f"should be `same` or a whole number from 0, found {value}")
    return int(value)


Padding: TypeAlias = Annotated[
    Literal["same"] | _Count,
    BeforeValidator(_exact_padding, json_schema_input_type=Literal["same"] | _Count),
]
