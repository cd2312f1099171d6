"""The JSON Schema of the language takes what the program takes, and refuses what it refuses."""

from __future__ import annotations

import yaml
from jsonschema import Draft202012Validator

from archspec.spec.schema import json_schema
from archspec.spec.zoo import zoo_specs


def test_every_spec_of_the_zoo_fits_the_schema() -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for path in zoo_specs().values():
        assert list(validator.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8")))) == []
    wrong = {"archspec": 1, "inputs": {"x": [3]}, "network": [{"conv": {"out": 3, "kernal": 3}}]}
    assert list(validator.iter_errors(wrong))


def test_every_field_says_what_it_means() -> None:
    """Editors show a field's description where the cursor stands on it."""
    schema = json_schema()
    definitions = schema["$defs"]
    words = {word: entry["anyOf"][0] for word, entry in definitions["node"]["anyOf"][1]["properties"].items()}
    models = {"a document": schema, "a block": definitions["Block"]}
    models |= {word: definitions[found["$ref"].rpartition("/")[2]] for word, found in words.items()}
    fields = {f"{word}: {name}": field for word, model in models.items() for name, field in model["properties"].items()}
    assert len(fields) > 150
    assert [field for field, found in fields.items() if not found.get("description")] == []
    settings = definitions["defaults"]["properties"]
    assert settings["residual"]["properties"]["scale"]["description"] == fields["residual: scale"]["description"]
