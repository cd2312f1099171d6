"""Mistakes in recipes have a code, words, and the keys that lead to them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from runtime.recipes.problems import find_problems
from runtime.recipes.recipe import Recipe


@pytest.mark.parametrize(
    ("given", "code", "path", "is_key"),
    [
        ({"speed": 1}, "unknown-field", ("speed",), True),
        ({"optimizer": {"name": "adamw", "momentum": 1}}, "unknown-field", ("optimizer", "momentum"), True),
        ({"optimizer": {"name": "adam"}}, "bad-value", ("optimizer", "name"), False),
        ({"optimizer": {"name": 3}}, "bad-value", ("optimizer", "name"), False),
        ({"optimizer": 3}, "wrong-type", ("optimizer",), False),
        ({"optimizer": {"name": "adamw", "betas": [2, 0.9]}}, "bad-value", ("optimizer", "betas", 0), False),
        ({"schedule": {"name": "step"}}, "missing-field", ("schedule", "milestones"), False),
        ({"schedule": {"name": "step", "milestones": [2, 1]}}, "bad-value", ("schedule", "milestones"), False),
        ({"data": {"fold": "3/2"}}, "bad-value", ("data", "fold"), False),
        ({"data": None}, "wrong-type", ("data",), False),
        ({"precision": "fp8"}, "bad-value", ("precision",), False),
        ({"freeze": [""]}, "bad-value", ("freeze", 0), False),
        ({"early_stopping": {"patience": "x"}}, "wrong-type", ("early_stopping", "patience"), False),
        ({"loss": {"outputs": {"a": "x"}}}, "bad-value", ("loss", "outputs"), False),
        ({"task": "maps", "mix": {"cutmix": 1}}, "bad-value", ("mix", "cutmix"), False),
        ({"recipe": 2}, "bad-value", ("recipe",), False),
    ],
)
def test_where_a_mistake_is(given: dict[str, Any], code: str, path: tuple[Any, ...], is_key: bool) -> None:
    with pytest.raises(ValidationError) as error:
        Recipe.model_validate(given)
    (problem,) = find_problems(error.value, Recipe)
    assert (problem.code, problem.path, problem.is_key) == (code, path, is_key)
    assert problem.message.startswith(("`", "a recipe ", "unknown key '"))
