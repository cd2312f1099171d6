"""Field defaults by kind of node: of a document, a library, a block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import PlainValidator, ValidationError, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from archspec.ops import LAYERS
from archspec.spec.body import STRUCTURE
from archspec.spec.layers import SpecNode, adapter_of, annotation_of, layer_node, overlay
from archspec.spec.marked import Table
from archspec.spec.messages import report_invalid
from archspec.spec.reading import Reading, reading_of
from archspec.spec.suggestions import suggest_field, suggest_kind

EXT = "ext"
"""The kind whose defaults are by the names of extensions, whose fields are known when a spec is compiled."""
_BY_NAME = "; of an extension write `ext: {NAME: {field: value}}`"


def _read_defaults(value: Any, info: ValidationInfo) -> Any:
    """Read field defaults by node kind; each mistake is reported at its own place."""
    reading = reading_of(info)
    if not isinstance(value, Table):
        raise PydanticCustomError("wrong-type", "should be a mapping of node kinds to fields")
    return {kind: _read_kind_defaults(kind, fields, value, reading) for kind, fields in value.items()}


def _read_kind_defaults(kind: str, fields: Any, written: Table, reading: Reading) -> Mapping[str, Any]:
    if kind == EXT:
        return _read_extensions(fields, written, reading)
    model: type[SpecNode] | None = layer_node(kind) if kind in LAYERS else STRUCTURE.get(kind)
    if model is None or not model.settings:
        with_settings = [*LAYERS, *(word for word, node in STRUCTURE.items() if node.settings)]
        message = f"`defaults` knows no node kind '{kind}'{suggest_kind(kind, with_settings) or _BY_NAME}"
        reading.report("unknown-node", message, written.keys_at[kind])
        return {}
    if not isinstance(fields, Table):
        reading.report("wrong-type", f"`defaults` of {kind} should be a mapping of fields", written.values_at[kind])
        return {}
    chosen: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in model.settings:
            message = f"{kind} has no field '{name}' for `defaults`{suggest_field(name, model.settings)}"
            reading.report("unknown-field", message, fields.keys_at[name])
            continue
        try:
            adapter = adapter_of(annotation_of(model.model_fields[name]))
            chosen[name] = adapter.validate_python(value, context=reading)
        except ValidationError as error:
            at = fields.values_at[name]
            report_invalid(error, None, f"`{name}` of {kind} in `defaults`", value, at, at, reading.mistakes)
    return chosen


def _read_extensions(named: Any, written: Table, reading: Reading) -> Mapping[str, Any]:
    """Read the defaults of extensions: fields by name, which are held against the operation where it is used."""
    if isinstance(named, Table):
        read = {name: dict(fields) for name, fields in named.items() if isinstance(fields, Table)}
        if len(read) == len(named):
            return read
    message = "`defaults` of ext should be mappings of fields by the names of extensions"
    reading.report("wrong-type", message, written.values_at[EXT])
    return {}


Defaults: TypeAlias = Annotated[Any, PlainValidator(_read_defaults), WithJsonSchema({"x-ref": "defaults"})]


def merge_defaults(*tables: Any) -> dict[str, Any]:
    """The defaults by node kind in one, the last have their way; what is no mapping has been reported."""
    given = [table for table in tables if isinstance(table, Mapping)]
    kinds = {kind: None for table in given for kind in table}
    layers = {kind: [table[kind] for table in given if isinstance(table.get(kind), Mapping)] for kind in kinds}
    return {kind: (merge_defaults if kind == EXT else overlay)(*tables) for kind, tables in layers.items()}
