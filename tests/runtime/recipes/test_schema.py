"""The JSON Schema of recipes takes what the program takes, and refuses what it refuses."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from archspec.spec.zoo import zoo_recipes
from runtime.recipes.document import read_recipe
from runtime.recipes.recipe import Recipe
from runtime.recipes.schema import recipe_schema

VALIDATOR = Draft202012Validator(recipe_schema())


def test_the_file_is_the_schema() -> None:
    Draft202012Validator.check_schema(recipe_schema())
    text = (files("archspec") / "recipe_schema.json").read_text(encoding="utf-8")
    assert json.loads(text) == recipe_schema()
    assert next(iter(json.loads(text)["properties"])) == "recipe"


@pytest.mark.parametrize("name", sorted(zoo_recipes()))
def test_every_recipe_of_the_zoo_fits(name: str) -> None:
    text = zoo_recipes()[name].read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=../../archspec/recipe_schema.json\n")
    assert list(VALIDATOR.iter_errors(read_recipe(name).to_dict())) == []
    assert text.index("\nrecipe: 1\n") < text.index("\ndescription: ")


CASES: list[dict[str, Any]] = [
    {}, {"epochs": 3}, {"extends": "he2015"}, {"optimizer": {"lr": 1}},
    {"optimizer": {"name": "adamw", "betas": [0, 0.9]}},
    {"schedule": {"name": "step", "milestones": [0.5, 0.75]}}, {"schedule": {"warmup": 5}}, {"batch": "auto"},
    {"loss": {"class_weights": [1, 2]}}, {"loss": {"outputs": {"a": 0}}}, {"data": {"window": "each"}}, {"clip": None},
    {"early_stopping": {}}, {"test_time_augmentation": ["horizontal"]},
]  # fmt: skip
WRONG: list[dict[str, Any]] = [
    {"speed": 1}, {"epochs": 0}, {"epochs": "3"}, {"epochs": 1.5}, {"batch": True}, {"batch": "all"}, {"clip": 0},
    {"ema": 1}, {"seed": -1}, {"seed": 2**31}, {"task": "boxes"}, {"recipe": 2}, {"description": 3}, {"compile": "yes"},
    {"optimizer": {"name": "adam"}}, {"optimizer": {"betas": [0, 0.9]}},
    {"optimizer": {"name": "adamw", "momentum": 0}},
    {"optimizer": {"name": "adamw", "betas": [0.9]}}, {"optimizer": {"lr": 0}}, {"optimizer": 3}, {"optimizer": None},
    {"optimizer": {"layer_decay": 1.5}}, {"schedule": {"name": "step"}},
    {"schedule": {"name": "one_cycle", "warmup": 1}},
    {"schedule": {"warmup": 1.5}}, {"schedule": {"warmup": -1}}, {"schedule": {"name": "step", "milestones": []}},
    {"loss": {"name": "ce"}}, {"loss": {"class_weights": "x"}}, {"loss": {"class_weights": [0]}},
    {"loss": {"outputs": {}}},
    {"mix": {"mixup": -1}}, {"data": {"test": 1}}, {"data": {"fold": "x"}}, {"data": {"window": [1]}}, {"data": None},
    {"augment": {"hue": 1}}, {"augment": {"flip": True}}, {"augment": {"zoom": [1]}}, {"augment": {"patch": [1]}},
    {"freeze": "a"}, {"freeze": [""]}, {"early_stopping": {"patience": 0}}, {"test_time_augmentation": ["depth"]},
]  # fmt: skip


@pytest.mark.parametrize("given", CASES)
def test_what_the_program_takes_the_schema_takes(given: dict[str, Any]) -> None:
    Recipe.model_validate({key: value for key, value in given.items() if key != "extends"})
    assert list(VALIDATOR.iter_errors({"recipe": 1, **given})) == []


@pytest.mark.parametrize("given", WRONG)
def test_what_the_program_refuses_the_schema_refuses(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Recipe.model_validate(given)
    assert list(VALIDATOR.iter_errors({"recipe": 1, **given}))


def test_a_recipe_says_its_version() -> None:
    assert list(VALIDATOR.iter_errors({"epochs": 3}))
    assert list(VALIDATOR.iter_errors(yaml.safe_load("recipe: 1\nepochs: 3\n"))) == []


def test_every_field_says_what_it_means() -> None:
    """Editors show a field's description where the cursor stands on it."""
    schema = recipe_schema()
    models = {"recipe": schema, **schema["$defs"]}
    fields = {f"{name}.{key}": field for name, model in models.items() for key, field in model["properties"].items()}
    assert len(fields) > 80
    assert [name for name, field in fields.items() if not field.get("description")] == []
    assert [name for name, model in schema["$defs"].items() if not model.get("description")] == []
