"""The command schema: what it prints is a JSON Schema that takes specs, and is the one that is published."""

from __future__ import annotations

import json
from importlib.resources import files

from jsonschema import Draft202012Validator

from archspec.spec.schema import json_schema
from runtime.recipes.schema import recipe_schema
from tests.support.commands import archspec


def test_the_schema_is_printed_whole() -> None:
    text = archspec("schema")
    assert text == (files("archspec") / "schema.json").read_text(encoding="utf-8")
    printed = json.loads(text)
    assert printed == json_schema()
    Draft202012Validator.check_schema(printed)
    validator = Draft202012Validator(printed)
    assert validator.is_valid({"archspec": 1, "inputs": {"x": [3]}, "network": ["relu"]})
    assert not validator.is_valid({"archspec": 1, "inputs": {"x": [3]}, "network": [{"relu": {"no": 1}}]})


def test_that_of_recipes_is_printed_instead() -> None:
    text = archspec("schema", "--recipe")
    assert text == (files("archspec") / "recipe_schema.json").read_text(encoding="utf-8")
    assert json.loads(text) == recipe_schema()
