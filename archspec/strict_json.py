"""JSON from files that may be anybody's: no duplicate keys, no NaN, no surprises in type or key."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn

from archspec.bounds import MAX_WHOLE
from archspec.errors import ArchspecError, suggest


def read_json(text: str | bytes, what: str) -> Any:
    """Parse JSON; `what` names the text in the ArchspecError that anything malformed raises."""
    try:
        return json.loads(text, object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant)
    except RecursionError:
        raise ArchspecError(f"{what} is nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError, integers of thousands of digits, and the hooks
        raise ArchspecError(f"{what} is not valid JSON: {error}") from None


def check_keys(value: object, what: str, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Any]:
    """Take `value` as an object with exactly the required keys and perhaps the optional ones, else ArchspecError."""
    if not isinstance(value, dict):
        raise ArchspecError(f"{what} must be a JSON object, found {_kind(value)}")
    known = [*required, *optional]
    for key in value:
        if key not in known:
            raise ArchspecError(f"{what} has the unknown key '{key}'{suggest(key, known)} (known: {', '.join(known)})")
    for key in required:
        if key not in value:
            raise ArchspecError(f"{what} lacks the key '{key}'")
    return value


def check_integer(value: object, what: str, least: int = 1, most: int = MAX_WHOLE) -> int:
    """Take `value` as an integer within bounds (true and false are none), else ArchspecError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ArchspecError(f"{what} must be an integer, found {_kind(value)}")
    if not least <= value <= most:
        raise ArchspecError(f"{what} must be between {least} and {most}, found {value}")
    return value


def check_number(value: object, what: str) -> float:
    """Take `value` as a finite float, else ArchspecError."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ArchspecError(f"{what} must be a number, found {_kind(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ArchspecError(f"{what} must be finite, found {number}")
    return number


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{key}' stands twice")
        found[key] = value
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _kind(value: object) -> str:
    """Name what a JSON value is, in JSON's own words."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    kinds = {int: "an integer", float: "a number", str: "a string", list: "a list", tuple: "a list", dict: "an object"}
    return kinds.get(type(value), f"a {type(value).__name__}")
