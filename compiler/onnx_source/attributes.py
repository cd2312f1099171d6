"""The attributes of a node, and the values that they have where a file leaves them out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnx.helper

from compiler.onnx_source.file.schemas import find_schema


def read_attribute(item: onnx.AttributeProto) -> Any:
    """Read the value of an attribute. A number in single precision is the shortest decimal that is stored so: 0.1, as
    it was written, and not 0.10000000149011612."""
    value = onnx.helper.get_attribute_value(item)
    return float(str(np.float32(value))) if item.type == onnx.AttributeProto.FLOAT else value


def read_defaults(node: onnx.NodeProto, opset: int) -> Mapping[str, Any]:
    """Read the values that the attributes of an operation have where a file leaves them out."""
    return _read_defaults(node.op_type, node.domain, opset)


@cache
def _read_defaults(kind: str, domain: str, opset: int) -> Mapping[str, Any]:
    schema = find_schema(kind, domain, opset)
    if schema is None:
        return {}
    given = {name: item.default_value for name, item in schema.attributes.items()}
    return {name: read_attribute(item) for name, item in given.items() if item.type}
