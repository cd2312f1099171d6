"""Values in a spec: numbers and lists or expressions in their place, names, and names with expressions inside."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from archspec.spec.expressions import MAX_LENGTH, Expression, ExpressionError, Template, is_name
from archspec.spec.reserved import MODULE_NAMES

MAX_NAMES = 256
"""The largest number of names of one kind that one scope holds."""
MAX_ITEMS = 1000
"""The largest number of entries of a list."""

RESERVED = frozenset({"in_channels", "out_channels"})
"""The names that the language itself gives a value."""


def read_number(value: Any) -> Any:
    """A number, or an expression in its place."""
    if isinstance(value, str):
        return parse_expression(value)
    if not isinstance(value, bool | int | float):
        raise PydanticCustomError("wrong-type", "should be a number or an expression")
    return value


def _read_list(value: Any) -> Any:
    """A list of numbers or expressions (lists may nest), or an expression that names one."""
    if isinstance(value, str):
        return parse_expression(value)
    if not isinstance(value, list):
        raise PydanticCustomError("wrong-type", "should be a list of numbers, or the name of one")
    if len(value) > MAX_ITEMS:
        raise PydanticCustomError("too-large", "should have at most {most} entries", {"most": MAX_ITEMS})
    return [_read_list(item) if isinstance(item, list) else read_number(item) for item in value]


def parse_expression(text: str) -> Expression:
    try:
        return Expression.parse(text)
    except ExpressionError as error:
        raise PydanticCustomError(error.code, "{text}", {"text": str(error)}) from error


def read_template(value: Any) -> Template:
    """Read a name with expressions inside."""
    if isinstance(value, Template):
        return value
    return _parse_template(value, dotted=False)


def read_reference(value: Any) -> Template:
    """Read the name of a tap or an input, or, behind the name of a call and a dot, of what that call gives."""
    return _parse_template(value, dotted=True)


def _parse_template(value: Any, *, dotted: bool) -> Template:
    if not isinstance(value, str):
        raise PydanticCustomError("wrong-type", f"should be {'the name of a tap or an input' if dotted else 'a name'}")
    try:
        return Template.parse(value, dotted=dotted)
    except ExpressionError as error:
        raise PydanticCustomError(error.code, "{text}", {"text": str(error)}) from error


def _read_variable(value: Any) -> str:
    """The name of a value in expressions."""
    if not isinstance(value, str) or not is_name(value) or value in RESERVED:
        raise PydanticCustomError("bad-name", "should be a name for expressions: letters, digits and _, no Python word")
    return value


def read_node_name(value: Any) -> Any:
    if value is None or (isinstance(value, str) and re.fullmatch(r"[A-Za-z].*", value) and is_name(value)):
        if value in MODULE_NAMES:
            raise PydanticCustomError("bad-name", "is a word of torch's modules, and cannot name a part of one")
        return value
    raise PydanticCustomError("bad-name", "should be a name of letters, digits and _, no Python word")


Numeric: TypeAlias = Annotated[
    int | float | bool | Expression,
    PlainValidator(read_number),
    WithJsonSchema({"type": ["number", "boolean", "string"], "maxLength": MAX_LENGTH}),
]
NumberList: TypeAlias = Annotated[
    list[Any] | Expression,
    PlainValidator(_read_list),
    WithJsonSchema({"type": ["array", "string"], "items": {"type": ["number", "boolean", "string", "array"]}}),
]
Label: TypeAlias = Annotated[
    Template, PlainValidator(read_template), WithJsonSchema({"type": "string", "minLength": 1})
]
Reference: TypeAlias = Annotated[
    Template, PlainValidator(read_reference), WithJsonSchema({"type": "string", "minLength": 1})
]
Variable: TypeAlias = Annotated[
    str, PlainValidator(_read_variable), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"})
]
