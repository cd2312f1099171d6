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
