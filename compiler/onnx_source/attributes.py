"""The values that the attributes of a node have where a file leaves them out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import onnx

from compiler.onnx_file.nodes import read_as_written
from compiler.onnx_source.file.schemas import find_schema


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
