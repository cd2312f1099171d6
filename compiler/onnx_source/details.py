"""What a file says of an operation beside shapes, as text that is equal where it says the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnx.helper

from compiler.onnx_source.file.schemas import find_schema
from compiler.onnx_source.ops.ops import tell_number

Details: TypeAlias = tuple[tuple[str, str], ...]
"""Names and texts."""

LONGEST = 40
"""Letters up to which a text stands as it is."""


def read_attribute(item: onnx.AttributeProto) -> Any:
    """The value of an attribute. A number in single precision is the shortest decimal that is stored so: 0.1, as it was
    written, and not 0.10000000149011612."""
    value = onnx.helper.get_attribute_value(item)
    return float(str(np.float32(value))) if item.type == onnx.AttributeProto.FLOAT else value


def read_defaults(node: onnx.NodeProto, opset: int) -> Mapping[str, Any]:
    """The values that the attributes of an operation have where a file leaves them out."""
    return _read_defaults(node.op_type, node.domain, opset)


@cache
def _read_defaults(kind: str, domain: str, opset: int) -> Mapping[str, Any]:
    schema = find_schema(kind, domain, opset)
    if schema is None:
        return {}
    given = {name: item.default_value for name, item in schema.attributes.items()}
    return {name: read_attribute(item) for name, item in given.items() if item.type}


def tell_value(value: Any) -> str:
    """An attribute or an array as text; what is long as the beginning of its SHA-256."""
    if isinstance(value, float):
        return tell_number(value)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray | list | tuple):
        text = ", ".join(map(tell_value, np.asarray(value, object).reshape(-1).tolist()))
    elif hasattr(value, "SerializeToString"):
        text = value.SerializeToString(deterministic=True).hex()
    else:
        text = str(value)
    return text if len(text) <= LONGEST and text.isprintable() else hashlib.sha256(text.encode()).hexdigest()[:12]
