"""The JSON Schema of the language, for editors: derived from the same models that read a spec."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from archspec.ops import LAYERS
from archspec.spec.body import STRUCTURE
from archspec.spec.document import Document
from archspec.spec.layers import SpecNode, layer_node

REF = "#/$defs/{model}"


def json_schema() -> dict[str, Any]:
    """The schema of a document, draft 2020-12."""
    nodes: dict[str, type[SpecNode]] = {**{kind: layer_node(kind) for kind in LAYERS}, **STRUCTURE}
    models = [(model, "validation") for model in (Document, *nodes.values())]
    references, collected = models_json_schema(models, ref_template=REF, by_alias=True)  # type: ignore[arg-type]
    definitions: dict[str, Any] = collected["$defs"]
    document = definitions.pop(references[(Document, "validation")]["$ref"].rpartition("/")[2])
    fields = {word: references[(model, "validation")] for word, model in nodes.items()}
    settings = {word: model.settings for word, model in nodes.items() if model.settings}
    definitions["body"] = {"type": "array", "items": {"$ref": "#/$defs/node"}}
    definitions["node"] = _node_schema(nodes, fields, definitions)
    definitions["defaults"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {word: _settings_schema(word, names, fields, definitions) for word, names in settings.items()},
    }
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "archspec, version 1"}
    schema = {**head, **{key: value for key, value in document.items() if key != "title"}, "$defs": definitions}
    linked: dict[str, Any] = _link(schema)
    return linked


def _link(schema: Any) -> Any:
    """Turn `x-ref`, which the models use for definitions that pydantic does not make, into references."""
    if isinstance(schema, list):
        return [_link(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    linked = {key: _link(value) for key, value in schema.items() if key != "x-ref"}
    return {"$ref": f"#/$defs/{schema['x-ref']}", **linked} if "x-ref" in schema else linked


def _node_schema(
    nodes: dict[str, type[SpecNode]], fields: dict[str, Any], definitions: dict[str, Any]
) -> dict[str, Any]:
    """A word, or a mapping with one key: a word of the language, or a block with its arguments."""
    words: dict[str, Any] = {}
    for word, model in nodes.items():
        forms: list[Any] = [fields[word], {"type": "null"}]
        if model.main is not None:
            forms.append(_resolve(fields[word], definitions)["properties"][model.main])
        words[word] = {"anyOf": forms, "description": (model.__doc__ or "").strip()}
    call = {"type": ["object", "null"], "description": "A block of the spec's own, or of an imported library."}
    mapping = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "properties": words,
        "additionalProperties": call,
    }
    return {"anyOf": [{"type": "string", "examples": list(nodes)}, mapping]}


def _settings_schema(
    word: str, names: tuple[str, ...], fields: dict[str, Any], definitions: dict[str, Any]
) -> dict[str, Any]:
    properties = _resolve(fields[word], definitions)["properties"]
    return {"type": "object", "additionalProperties": False, "properties": {name: properties[name] for name in names}}


def _resolve(reference: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    resolved: dict[str, Any] = definitions[reference["$ref"].rpartition("/")[2]]
    return resolved
