"""The types of numbers in a file, by numpy's words, and which one a node's results have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import onnx

from compiler.onnx_source.file.schemas import find_schema

_CODES: dict[int, str] = {code: name.lower() for name, code in onnx.TensorProto.DataType.items()}
_CODES |= {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.DOUBLE: "float64"}
_WORDS = {"float": "float32", "double": "float64"}
"""The names of a schema's types, where that is another word."""
SAID_BY = {"Cast": "to", "QuantizeLinear": "output_dtype", "DequantizeLinear": "output_dtype"}
"""The attribute that says the type of a result, by operation."""


def name_type(code: int) -> str:
    """Name a type by its number in a file."""
    return _CODES.get(code, "undefined")


def find_code(type: str) -> int:
    """Find the number of a type in a file."""
    return next((code for code, word in _CODES.items() if word == type), onnx.TensorProto.UNDEFINED)


def is_floating(type: str) -> bool:
    """True if numbers of this type are trained."""
    return type.startswith(("float", "bfloat"))


def find_types(node: onnx.NodeProto, opset: int, given: Sequence[str]) -> list[str]:
    """Find the type of each result of a node whose operands have the types `given`, by the schema of its operation;
    where there is none, that of its first operand."""
    first = next(filter(None, given), "float32")
    key = SAID_BY.get(node.op_type)
    said = next((item.i for item in node.attribute if item.name == key and item.i), 0)
    operands, results = _read_schema(node.op_type, node.domain, opset)
    bound = dict(zip(_spread(operands, len(given))[::-1], given[::-1], strict=True))
    types = []
    for position, variable in enumerate(_spread(results, len(node.output))):
        concrete = variable.removeprefix("tensor(").removesuffix(")")
        if said and not position:
            types.append(name_type(said))
        elif bound.get(variable):
            types.append(bound[variable])
        elif concrete != variable:
            types.append(_WORDS.get(concrete, concrete))
        else:
            types.append("uint8" if node.op_type == "QuantizeLinear" else first)
    return types


def _spread(names: Sequence[str], count: int) -> list[str]:
    """Spread parameters to so many; the last stands for all that follow."""
    return [names[min(position, len(names) - 1)] if names else "" for position in range(count)]


@cache
def _read_schema(kind: str, domain: str, opset: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read what an operation takes and gives, as variables or types."""
    schema = find_schema(kind, domain, opset)
    if schema is None:
        return (), ()
    allowed = {item.type_param_str: list(item.allowed_type_strs) for item in schema.type_constraints}
    single = {variable: types[0] for variable, types in allowed.items() if len(types) == 1}
    takes, gives = (
        [single.get(item.type_str, item.type_str) for item in side] for side in (schema.inputs, schema.outputs)
    )
    return tuple(takes), tuple(gives)
