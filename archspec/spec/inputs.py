"""The inputs of a network as written: the shape of each, and which numbers it holds."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from archspec.ops.values import NumberType
from archspec.spec.marked import Table
from archspec.spec.values import read_number


def is_size(entry: Any) -> bool:
    """True if an entry of an input's shape is a dynamic size: one capital letter."""
    return isinstance(entry, str) and re.fullmatch("[A-Z]", entry) is not None


def _read_dimensions(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= 4:
        raise PydanticCustomError("bad-shape", "should be a list of one to four entries, channels first")
    if is_size(value[0]):
        raise PydanticCustomError("bad-shape", "should begin with the number of channels, which is not a dynamic size")
    if any(entry is None for entry in value):
        raise PydanticCustomError("bad-shape", "has an entry without a value; a capital letter is a dynamic size")
    return tuple(entry if is_size(entry) else read_number(entry) for entry in value)


_LIST = {"type": "array", "items": {"type": ["integer", "string"]}, "minItems": 1, "maxItems": 4}
Dimensions: TypeAlias = Annotated[tuple[Any, ...], PlainValidator(_read_dimensions), WithJsonSchema(_LIST)]


class _TypedInput(BaseModel):
    """An input whose numbers are told with its shape."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: Dimensions = Field(description="extents without the batch, channels first")
    type: NumberType = Field("float", description="float: any numbers; int: whole ones from 0, for `embedding`")


class InputShape(tuple[Any, ...]):
    """The entries of an input's shape, which is written as a list, or with the type of its numbers beside it."""

    type: NumberType

    def __new__(cls, entries: tuple[Any, ...], type: NumberType = "float") -> InputShape:
        shape = super().__new__(cls, entries)
        shape.type = type
        return shape

    @classmethod
    def _read(cls, value: Any, read_typed: ValidatorFunctionWrapHandler) -> InputShape:
        if not isinstance(value, dict):
            return cls(_read_dimensions(value))
        typed = read_typed(value)
        return cls(typed.shape, typed.type)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(cls._read, handler.generate_schema(_TypedInput))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [_LIST, handler(schema["schema"])]}


def path_of_entry(written: Table, name: str, i: int) -> tuple[str | int, ...]:
    """The path to an entry of an input's shape in the data of its document."""
    inputs = written.get("inputs")
    typed = isinstance(inputs, dict) and isinstance(inputs.get(name), dict)
    return ("inputs", name, *(("shape",) if typed else ()), i)
