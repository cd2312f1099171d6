"""The recipes of the zoo as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archspec.errors import InputError, suggest
from archspec.spec.zoo import shown, zoo_recipes
from runtime.recipes.document import read_recipe
from runtime.recipes.recipe import Recipe


def list_recipes(words: Sequence[str] = ()) -> list[dict[str, Any]]:
    """List the recipes of the zoo: name, source, description, file, task, length, batch, optimizer, schedule.

    With `words`, only those that have one of them in their name. Raises InputError where a word fits none.
    """
    names = zoo_recipes()
    for word in words:
        if not any(word.lower() in name for name in names):
            near = suggest(word, names) or "; try `archspec list --recipes`"
            raise InputError(f"no recipe in the zoo fits '{word}'{near}")
    chosen = [name for name in names if not words or any(word.lower() in name for word in words)]
    return [_describe(name, read_recipe(name)) for name in chosen]


def _describe(name: str, recipe: Recipe) -> dict[str, Any]:
    return {
        "name": name,
        "source": recipe.source,
        "description": recipe.description,
        "file": shown(zoo_recipes()[name]),
        "task": recipe.task,
        "epochs": recipe.epochs,
        "steps": recipe.steps,
        "batch": recipe.batch,
        "optimizer": recipe.optimizer.name,
        "lr": recipe.optimizer.lr,
        "schedule": recipe.schedule.name,
    }
