"""pydantic's errors in the project's words, each at its place in the text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from archspec.errors import Diagnostic, Place
from archspec.spec.foreign import explain_value, node_sayings
from archspec.spec.marked import place_in
from archspec.spec.suggestions import spell, suggest_field
from archspec.wording import cut


def report_invalid(
    error: ValidationError,
    model: type[BaseModel] | None,
    subject: str,
    written: Any,
    at: Place,
    value_at: Place,
    mistakes: list[Diagnostic],
) -> None:
    """Add one diagnostic for each detail of a validation error.

    `subject` names what was validated, `written` is its marked data, `at` its own place and `value_at` the place of a
    value that was written without its field's name.
    """
    for detail in error.errors():
        path = detail["loc"]
        unknown = detail["type"] == "extra_forbidden"
        start = at if unknown or not path or detail["type"] == "missing" else value_at
        if path and path[-1] == "[key]":  # pydantic's way to say that a mapping's key is wrong
            path, unknown = path[:-1], True
        place = place_in(written, path, start, key=unknown)
        field = ".".join(str(step) for step in detail["loc"] if not str(step).endswith("]"))
        message = describe_problem(detail, subject, field, _field_names(model), tell_found(detail["input"]))
        mistakes.append(Diagnostic(code_of(detail), message, place))


def code_of(detail: ErrorDetails) -> str:
    """The code of what pydantic says."""
    kind = detail["type"]
    if kind == "extra_forbidden":
        return "unknown-field"
    if kind == "missing":
        return "missing-field"
    if "-" in kind:  # raised by this package
        return kind
    return "wrong-type" if kind.endswith(("_type", "_parsing")) else "bad-value"


def describe_problem(detail: ErrorDetails, subject: str, path: str, known: Iterable[str], found: str) -> str:
    """Describe what pydantic says of the field `path` of a subject, in the words of the language; `known` are the
    fields that there are, and `found` is the offending value in words, or nothing."""
    if detail["type"] == "extra_forbidden":
        return f"unknown field '{path}' of {subject}{suggest_field(str(detail['loc'][-1]), known)}"
    if detail["type"] == "missing":
        return f"{subject} needs `{path}`" + ("; start it with `archspec: 1`" if path == "archspec" else "")
    if detail["type"] == "too_short":
        return f"`{path}` of {subject} should not be empty"
    if detail["type"] == "too_long":
        limits = detail["ctx"]
        return (
            f"`{path}` of {subject} should have at most {limits['max_length']} entries, not {limits['actual_length']}"
        )
    text = detail["msg"].removeprefix("Value error, ")
    text = text.replace("Input should be", "should be").replace("valid ", "")
    described = f"`{path}` of {subject} {text}" if path else f"{subject} {text}"
    explained = not found or " found " in text or detail["type"] in _SELF_EXPLAINING
    return (described if explained else f"{described}, found {found}") + _explain_found(detail["input"], text)


def _explain_found(value: Any, text: str) -> str:
    """Tell what another framework's word for a value is here: in words, or one of those that the text lists."""
    if not isinstance(value, str):
        return ""
    saying = node_sayings().get(spell(value))
    listed = saying is not None and f"'{saying.written}'" in text
    return f"; here it is `{saying.written}`" if saying and listed else explain_value(value)


_SELF_EXPLAINING = {"bad-expression", "bad-branches", "bad-loop", "bad-residual", "unknown-name", "bad-shape"}


def _field_names(model: type[BaseModel] | None) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()] if model else []


def tell_found(value: Any) -> str:
    """Write an offending value in short, or nothing where that would not help."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{cut(value, 41)}'"
    if isinstance(value, int | float):
        return cut(f"{value}", 41)
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else ""
