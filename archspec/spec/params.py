"""Values that replace those of a spec: from the command line, from a variant, from a caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from archspec.errors import Place, SpecError, suggest
from archspec.spec.text import read_bytes


def parse_value(text: str, origin: str) -> Any:
    """The value in `--set name=TEXT`, read as the language would. Raises SpecError."""
    try:
        return read_bytes(text.encode("utf-8", "surrogateescape"), origin).data
    except SpecError as error:  # a word of the command line has no lines
        raise SpecError(replace(item, place=Place(origin)) for item in error.diagnostics) from None


def explain_mismatch(name: str, value: Any, base: Mapping[str, Any], key: str) -> str | None:
    """The reason why a value cannot replace the one of that name in `base`, which the spec calls `key`; None where it
    can."""
    if name not in base:
        listing = f"; there is {', '.join(base)}" if base else "; it has none"
        return f"the spec has no `{name}` in {key}{suggest(name, base) or listing}"
    if _name_kind(value) != _name_kind(base[name]):
        return f"`{name}` should be {_name_kind(base[name])}, found {_name_kind(value)}"
    return None


def _name_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    return "a list" if isinstance(value, list) else "a number"
