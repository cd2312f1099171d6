"""The types of the fields that an operation declares: whole and real numbers within bounds, flags and paddings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import partial
from math import inf
from typing import Annotated, Any, TypeAlias, TypeVar, get_args

from pydantic import BeforeValidator, Field

from archspec.bounds import MAX_WHOLE
from archspec.ops.values import OpError, Shape
from archspec.ops.window import PaddingRule
from archspec.wording import tell_count

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
_Whole = Annotated[int, Field(ge=-MAX_WHOLE, le=MAX_WHOLE)]
_Real = Annotated[float, Field(allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Gain = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Ratio = Annotated[float, Field(ge=1, allow_inf_nan=False)]
_Tiny = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Flag: TypeAlias = Annotated[bool, Field(strict=True)]
Positive: TypeAlias = Annotated[_Size, BeforeValidator(_exact_int, json_schema_input_type=_Size)]
NonNegative: TypeAlias = Annotated[_Count, BeforeValidator(_exact_int, json_schema_input_type=_Count)]
Whole: TypeAlias = Annotated[_Whole, BeforeValidator(_exact_int, json_schema_input_type=_Whole)]
"""A whole number of either sign."""
Number: TypeAlias = Annotated[_Real, BeforeValidator(_exact_float, json_schema_input_type=_Real)]
Epsilon: TypeAlias = Annotated[_Tiny, BeforeValidator(_exact_float, json_schema_input_type=_Tiny)]
Gain: TypeAlias = Annotated[_Gain, BeforeValidator(_exact_float, json_schema_input_type=_Gain)]
Ratio: TypeAlias = Annotated[_Ratio, BeforeValidator(_exact_float, json_schema_input_type=_Ratio)]
Probability: TypeAlias = Annotated[_Share, BeforeValidator(_exact_float, json_schema_input_type=_Share)]


MAX_AXES = 3
"""The largest number of spatial axes that a window slides along."""


def _read_whole(value: Any, least: int) -> int:
    """Read a whole number within bounds. They are checked here, since a union would say what is wrong once for each
    alternative."""
    whole: int = _exact_int(value)
    if whole < least:
        raise ValueError(f"should be greater than or equal to {least}, found {whole}")
    if whole > MAX_WHOLE:
        raise ValueError(f"should be less than or equal to {MAX_WHOLE}, found {whole}")
    return whole


def per_axis(read: Callable[[Any], Any], what: str) -> Callable[[Any], Any]:
    """Make the reader of a value, or of a list of such with an entry for each spatial axis; `what` says in the plural
    what the entries are."""

    def read_all(value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return read(value)
        found = f"[{', '.join(map(str, value[: MAX_AXES + 1]))}{', …' if len(value) > MAX_AXES + 1 else ''}]"
        if not 1 <= len(value) <= MAX_AXES:
            raise ValueError(f"should have an entry for each of one to {MAX_AXES} spatial axes, found {found}")
        try:
            return tuple(map(read, value))
        except ValueError:
            raise ValueError(f"should be a list of {what}, found {found}") from None

    return read_all


def read_entries(value: Any) -> Any:
    """Read a list as a tuple; a single value is none."""
    if not isinstance(value, list | tuple):
        raise ValueError("should be a list of whole numbers from 1: the channels, and the extents of space")
    return tuple(value)


AnyNumber = TypeVar("AnyNumber", bound=int | float | str | Fraction)

AlongAxes: TypeAlias = AnyNumber | tuple[AnyNumber, ...]
"""A value for all spatial axes, or one for each."""

_Sizes = Annotated[list[_Size], Field(min_length=1, max_length=MAX_AXES)]
_Counts = Annotated[list[_Count], Field(min_length=1, max_length=MAX_AXES)]

PositivePerAxis: TypeAlias = Annotated[
    AlongAxes[int],
    BeforeValidator(
        per_axis(partial(_read_whole, least=1), "whole numbers from 1"), json_schema_input_type=_Size | _Sizes
    ),
]
NonNegativePerAxis: TypeAlias = Annotated[
    AlongAxes[int],
    BeforeValidator(
        per_axis(partial(_read_whole, least=0), "whole numbers from 0"), json_schema_input_type=_Count | _Counts
    ),
]

WholePerAxis: TypeAlias = Annotated[
    AlongAxes[int],
    BeforeValidator(
        per_axis(partial(_read_whole, least=-MAX_WHOLE), "whole numbers"),
        json_schema_input_type=_Whole | Annotated[list[_Whole], Field(min_length=1, max_length=MAX_AXES)],
    ),
]

_PADDING_RULES = get_args(PaddingRule)


def _read_padding(value: Any) -> Any:
    if value in _PADDING_RULES and isinstance(value, str):
        return value
    if isinstance(value, str) or not 0 <= _exact_int(value) <= MAX_WHOLE:
        raise ValueError(f"should be `same`, `same_end`, `causal` or a whole number from 0, found {value}")
    return int(value)


PaddingPerAxis: TypeAlias = Annotated[
    AlongAxes[PaddingRule | int],
    BeforeValidator(
        per_axis(_read_padding, "`same`, `same_end`, `causal` or whole numbers from 0"),
        json_schema_input_type=PaddingRule
        | _Count
        | Annotated[list[PaddingRule | _Count], Field(min_length=1, max_length=MAX_AXES)],
    ),
]


def along(value: AlongAxes[AnyNumber], x: Shape, field: str) -> tuple[AnyNumber, ...]:
    """The value of a field along each spatial axis of x. Raises OpError where a list has another number of entries."""
    if not isinstance(value, tuple):
        return (value,) * (len(x) - 1)
    if len(value) != x.rank:
        entries, axes = tell_count(len(value), "entry", "entries"), tell_count(x.rank, "spatial axis", "spatial axes")
        remedy = "give one for each axis, or one alone for all"
        raise OpError(f"{field}: [{', '.join(map(str, value))}] has {entries}, and {x} has {axes}; {remedy}", field)
    return value


def at_axis(value: AlongAxes[AnyNumber], axis: int) -> AnyNumber:
    """The value of a field along one spatial axis, counted from 0."""
    return value[axis] if isinstance(value, tuple) else value


def one_or_each(values: Iterable[AnyNumber]) -> AlongAxes[AnyNumber]:
    """The value of a field from those along each spatial axis: one alone where they are equal."""
    each = tuple(values)
    return each[0] if len(set(each)) == 1 else each


MAX_SCALE_PARTS = 16
"""The largest denominator of a fraction that a map may be scaled by."""
SCALE_PARTS = frozenset({2, 3, 4, 5, 6, 8, MAX_SCALE_PARTS})
MAX_SCALE_TIMES = 6
"""The largest numerator of such a fraction. Of these torch and ONNX Runtime, which multiply in floating point, round
every product down to the same whole number."""


def _exact_scale(value: Any) -> Any:
    """Let whole numbers pass, and fractions of small whole numbers."""
    number = _exact_float(value)
    if 1 <= number == number // 1 <= MAX_WHOLE:
        return int(number)
    near = Fraction(number).limit_denominator(MAX_SCALE_PARTS) if 0 < number < MAX_SCALE_TIMES else Fraction(0)
    if not is_scale(near) or abs(near - number) > 1e-9:
        parts = ", ".join(map(str, sorted(SCALE_PARTS)))
        raise ValueError(
            f"should be a whole number from 1, or a fraction such as 3 / 2: 1 to {MAX_SCALE_TIMES} over one of {parts}"
        )
    return float(near)


def is_scale(scale: Fraction) -> bool:
    """Tell whether a map may be scaled by this: by a whole number, or a fraction of small ones."""
    if scale.denominator == 1:
        return 1 <= scale <= MAX_WHOLE
    return scale.denominator in SCALE_PARTS and 1 <= scale.numerator <= MAX_SCALE_TIMES


_Scale = Annotated[float, Field(gt=0, le=MAX_WHOLE)]
_Scales = Annotated[list[_Scale], Field(min_length=1, max_length=MAX_AXES)]
ScalePerAxis: TypeAlias = Annotated[
    AlongAxes[int | float],
    BeforeValidator(per_axis(_exact_scale, "whole numbers or fractions"), json_schema_input_type=_Scale | _Scales),
]
