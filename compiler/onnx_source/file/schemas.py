"""What onnx knows of operations, and the name of the domain that theirs are in."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

import onnx
import onnx.defs

from compiler.onnx_file.nodes import list_nodes, read_as_written

WRITTEN_OUT = "ai.onnx"
"""ONNX's own domain, which most files leave without a name, as onnx's registry of schemas does."""


def shorten_domains(model: onnx.ModelProto) -> None:
    """Leave ONNX's own domain without a name everywhere in the model."""
    imports = [item for function in model.functions for item in function.opset_import]
    for item in (*model.opset_import, *imports, *list_nodes(model)):
        if item.domain == WRITTEN_OUT:
            item.domain = ""


@lru_cache(maxsize=1024)
def find_schema(kind: str, domain: str, opset: int) -> onnx.defs.OpSchema | None:
    """Find the schema of an operation at an opset; None where onnx has none."""
    try:
        return onnx.defs.get_schema(kind, max_inclusive_version=opset, domain=domain)
    except onnx.defs.SchemaError:
        return None


def read_defaults(node: onnx.NodeProto, opset: int) -> Mapping[str, Any]:
    """Read the values that the attributes of an operation have where a file leaves them out."""
    return _read_defaults(node.op_type, node.domain, opset)


@cache
def _read_defaults(kind: str, domain: str, opset: int) -> Mapping[str, Any]:
    schema = find_schema(kind, domain, opset)
    if schema is None:
        return {}
    given = {name: item.default_value for name, item in schema.attributes.items()}
    return {name: read_as_written(item) for name, item in given.items() if item.type}
