"""Options that change single keys of a recipe, as `optimizer.lr=0.1`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from archspec.errors import Diagnostic, InputError, Place, SpecError
from archspec.spec.suggestions import suggest_slip
from archspec.spec.text import read_bytes
from archspec.wording import cut
from runtime.recipes.document import OPTION, RECIPE, RecipeDocument, nest
from runtime.recipes.recipe import Recipe
from runtime.recipes.words import suggest_key

MAX_KEYS = 8
"""The largest number of keys with dots in between that lead to a value."""


def apply_overrides(document: RecipeDocument, overrides: Iterable[str]) -> RecipeDocument:
    """Put options, each `KEY=VALUE` or `SECTION.KEY=VALUE`, on a recipe one after the other; a value is read as YAML.

    The name of another optimizer or schedule begins that section anew. Raises InputError where an option is none, and
    SpecError where its value cannot be read; what its recipe does not take is a mistake of that.

    >>> from runtime.recipes.document import RecipeDocument
    >>> from runtime.recipes.overrides import apply_overrides
    >>> apply_overrides(RecipeDocument.empty(), ["optimizer.lr=0.1", "epochs=5"]).check().optimizer.lr
    0.1
    """
    for option in overrides:
        document = document.put_on(_read_override(option))
    return document


def put_value(document: RecipeDocument, path: str, value: Any, option: str) -> RecipeDocument:
    """Put a value on a recipe, at a key with dots in between, that an option of another name says."""
    return document.put_on(RecipeDocument(nest(path.split("."), value, Place(option))))


def route_settings(options: Iterable[str], params: Collection[str]) -> tuple[list[str], list[str]]:
    """Tell which of the options `NAME=VALUE` are for the spec, which has these params, and which for the recipe.

    A name with a dot is the recipe's; one without is the spec's param where it has one of that name, else the recipe's
    key. Raises InputError where neither has it.
    """
    for_spec: list[str] = []
    for_recipe: list[str] = []
    for option in options:
        name = option.partition("=")[0]
        if "." in name or (name in Recipe.model_fields and name not in params):
            for_recipe.append(option)
        elif name in params or "=" not in option:
            for_spec.append(option)
        else:
            near = suggest_slip(name, list(params)) or suggest_key(name, "", Recipe, Recipe)
            raise InputError(f"{OPTION} {cut(name, 60)}: neither the spec nor a recipe has it{near}")
    return for_spec, for_recipe


def _read_override(option: str) -> RecipeDocument:
    name, equals, text = option.partition("=")
    keys = name.split(".")
    if not equals or not all(keys):
        raise InputError(f"{OPTION} needs KEY=VALUE, as in {OPTION} optimizer.lr=0.1, found '{cut(option, 60)}'")
    if len(keys) > MAX_KEYS:
        raise InputError(f"{OPTION} {cut(name, 60)}: no key of a recipe stands in {len(keys) - 1} others")
    place = Place(f"{OPTION} {cut(name, 60)}")
    if not text.strip():
        raise InputError(f"{place} needs a value; `null` is none")
    value, mistakes = _read_value(text, place)
    return RecipeDocument(nest(keys, value, place), mistakes)


def _read_value(text: str, place: Place) -> tuple[Any, tuple[Diagnostic, ...]]:
    if text.strip() in ("null", "~"):
        return None, ()
    try:
        marked = read_bytes(text.encode("utf-8", "surrogateescape"), place.file, RECIPE)
    except SpecError as error:  # a word of the command line has no lines
        raise SpecError(replace(item, place=place) for item in error.diagnostics) from None
    return marked.data, marked.mistakes
