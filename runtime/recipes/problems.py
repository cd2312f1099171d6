"""pydantic's errors in the words of recipes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from archspec.spec.messages import code_of, tell_found
from archspec.wording import cut
from runtime.recipes.words import models_of, suggest_key, suggest_value


class Problem(NamedTuple):
    """One mistake in a recipe: a code, a message, and where: the keys that lead there, and whether the last of them is
    itself what is wrong."""

    code: str
    message: str
    path: tuple[Any, ...]
    is_key: bool


def tell_problems(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Tell what is wrong with values that a section was made of, a message for each mistake."""
    return [problem.message for problem in find_problems(error, model)]


def find_problems(error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    """Find what is wrong with values that a section was made of."""
    for detail in error.errors(include_url=False):
        path, section = _follow(detail["loc"], model)
        subject = _name_subject(model)
        is_kind = detail["type"] == "union_tag_invalid"
        together = detail.get("ctx", {}).get("problems")
        if together is None:
            yield Problem(
                code_of(detail),
                _describe(detail, path, section, model),
                (*path, "name") if is_kind else path,
                _is_key(detail),
            )
            continue
        start = f"`{'.'.join(map(str, path))}` of {subject}" if path else subject
        for key, text in together:
            yield Problem("bad-value", f"{start} {text}", (*path, *key.split(".")), False)


def _name_subject(model: type[BaseModel]) -> str:
    return "a recipe" if model.__name__ == "Recipe" else f"{model.__name__}(…)"


def _is_key(detail: ErrorDetails) -> bool:
    return detail["type"] in ("extra_forbidden", "invalid_key")


def _follow(loc: tuple[int | str, ...], model: type[BaseModel]) -> tuple[tuple[Any, ...], type[BaseModel]]:
    """Follow the keys to a mistake: the path as a recipe has it, where pydantic puts the name of an optimizer or a
    schedule in between; and the section in which the last key stands."""
    path: list[Any] = []
    section = model
    rest = list(loc)
    while rest:
        step = rest.pop(0)
        path.append(step)
        info = section.model_fields.get(step) if isinstance(step, str) else None
        if info is None or not rest:
            continue
        inner = models_of(info.annotation)
        if len(inner) > 1:  # of several kinds, by their names
            kind = rest.pop(0)
            inner = [each for each in inner if each.model_fields["name"].annotation.__args__[0] == kind]  # type: ignore[union-attr]
        if inner and rest:
            section = inner[0]
    return tuple(path), section


PHRASES = {
    "Input should be": "should be",
    "String should": "should",
    "List should": "should",
    "Dictionary should": "should",
    "a valid integer": "a whole number",
    "a valid string": "text",
    "a valid ": "a ",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "greater than": "above",
    "less than": "below",
    "a dictionary or object to extract fields from": "a mapping",
    " after validation": "",
}
"""pydantic's words, and those of recipes."""


def _describe(detail: ErrorDetails, path: tuple[Any, ...], section: type[BaseModel], model: type[BaseModel]) -> str:
    subject = _name_subject(model)
    name, kind, value = ".".join(map(str, path)), detail["type"], detail["input"]
    if kind == "extra_forbidden":
        at, word = ".".join(map(str, path[:-1])), str(path[-1])
        return f"unknown key '{cut(name, 60)}' of {subject}{suggest_key(word, at, section, model)}"
    if kind == "missing":
        return f"{subject} needs `{name}`"
    if kind == "union_tag_invalid":  # of the kinds of optimizers and schedules
        kinds = detail["ctx"]["expected_tags"].rpartition(", ")
        name, value, text = f"{name}.name", value["name"], f"should be {kinds[0]} or {kinds[2]}"
    elif kind == "model_type":
        text = "should be a mapping"
    else:
        text = detail["msg"]
        for phrase, ours in PHRASES.items():
            text = text.replace(phrase, ours)
    found = tell_found(value) or type(value).__name__
    said = f"{f'`{name}` of {subject}' if name else subject} {text}{f', found {found}' if found else ''}"
    known = re.findall("'([^']*)'", text) if kind in ("union_tag_invalid", "literal_error") else []
    return said + (suggest_value(value, known) if isinstance(value, str) else "")
