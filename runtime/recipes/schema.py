"""The JSON Schema of recipes, for editors: derived from the models that read them."""

from __future__ import annotations

from typing import Any

from runtime.recipes.recipe import Recipe
from runtime.recipes.words import default_kind

EXTENDS = "another recipe, by its name in the zoo or its file beside this one, on which this one is put"


def recipe_schema() -> dict[str, Any]:
    """Make the schema of a recipe's document, draft 2020-12. What fields say together is no part of it."""
    schema = Recipe.model_json_schema()
    properties: dict[str, Any] = schema.pop("properties")
    for name, field in properties.items():
        usual = default_kind(Recipe, name)
        for reference in field.get("oneOf", ()) if usual else ():
            kind = schema["$defs"][reference["$ref"].rpartition("/")[2]]
            if kind["properties"]["name"]["const"] != usual:  # without a name it is the usual one
                kind["required"] = ["name", *(entry for entry in kind.get("required", ()) if entry != "name")]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "archspec recipe, version 1"}
    extends = {"extends": {"type": "string", "description": EXTENDS}}
    first = {name: properties.pop(name) for name in ("recipe", "description", "source")}
    schema |= {"required": ["recipe"], "properties": {**first, **extends, **properties}}
    untitled: dict[str, Any] = _drop_titles({key: value for key, value in schema.items() if key != "title"})
    return {**head, **untitled}


def _drop_titles(schema: Any) -> Any:
    """Leave out the titles that pydantic makes of the names of fields, and the tables that only its own tools read."""
    if isinstance(schema, list):
        return [_drop_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    is_title = isinstance(schema.get("title"), str)
    left_out = {"discriminator", *(["title"] if is_title else [])}
    return {key: _drop_titles(value) for key, value in schema.items() if key not in left_out}
