"""Recipes as objects."""

import pytest
from pydantic import ValidationError

from runtime.recipes.recipe import Recipe


def test_a_recipe_comes_back_from_its_plain_values() -> None:
    recipe = Recipe.model_validate({"optimizer": {"name": "adamw", "lr": 1e-3}, "schedule": {"name": "constant"}})
    assert Recipe.model_validate(recipe.to_dict()) == recipe


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch": True}, {"optimizer": {"name": "adam"}}, {"speed": 1}])
def test_what_no_recipe_has_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Recipe.model_validate(wrong)
