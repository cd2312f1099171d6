"""The arithmetic of expressions: operators, functions, and lists, on values. What has no value raises as Python's own
operators do."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from math import sqrt
from typing import Any

MAX_EXPONENT = 64
"""The largest exponent of a power."""
MAX_ENTRIES = 1000
"""The largest number of entries of a list that an expression makes, those of lists inside it counted."""


def raise_to(base: Any, exponent: Any) -> Any:
    """Raise a number to a small whole power, or take its square root; other powers could cost without bound."""
    if exponent == 0.5 and base >= 0:
        return sqrt(base)
    if not isinstance(exponent, int) or not 0 <= exponent <= MAX_EXPONENT:
        found = f"{exponent} of {base}" if exponent == 0.5 else exponent
        raise ValueError(f"an exponent should be 0.5 or a whole number from 0 to {MAX_EXPONENT}, found {found}")
    return base**exponent


def _round(value: Any) -> Any:
    """Round to the nearest whole number, halves to the even one; Python's second argument could cost without bound."""
    if isinstance(value, bool):
        raise TypeError("true and false are no numbers")
    return round(value)


def _sum(values: Any) -> Any:
    """Add up the numbers of a list; of none it is 0."""
    if not isinstance(values, list):
        raise TypeError("sum takes a list")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"sum takes a list of numbers, found {show_value(value)} in it")
    return sum(values)


def take_item(values: Any, index: Any) -> Any:
    """Take an entry of a list, from the end where the index is negative."""
    if not isinstance(values, list):
        raise TypeError("only a list can be indexed")
    _check_index(index)
    if not -len(values) <= index < len(values):
        raise IndexError(f"index {index} in a list of {len(values)}")
    return values[index]


def take_slice(values: Any, start: Any, stop: Any) -> list[Any]:
    """Take the entries from `start` up to `stop`, as far as there are any; None is the list's own end."""
    if not isinstance(values, list):
        raise TypeError("only a list has slices")
    for end in (start, stop):
        if end is not None:
            _check_index(end)
    return values[start:stop]


def _check_index(index: Any) -> None:
    if isinstance(index, bool) or not isinstance(index, int):
        raise TypeError(f"an index should be a whole number, found {show_value(index)}")


def bound_list(values: list[Any]) -> list[Any]:
    """A list as it is, unless it holds more than a document could write out."""
    pending: list[Any] = [values]
    entries = 0
    while pending:
        inner = pending.pop()
        entries += len(inner)
        if entries > MAX_ENTRIES:
            raise ValueError(f"a list has at most {MAX_ENTRIES:,} entries, those of lists in it counted")
        pending.extend(item for item in inner if isinstance(item, list))
    return values


def show_value(value: Any) -> str:
    """Write a value as a spec does."""
    return str(value).lower() if isinstance(value, bool) else f"{value}"


ARITHMETIC: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: raise_to,
}
SIGNS: dict[type[ast.AST], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}

FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "len": len, "round": _round, "sum": _sum}
