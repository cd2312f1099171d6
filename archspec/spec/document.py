"""One document, as written: a spec, a variant of one, or a block library."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)
from pydantic_core import PydanticCustomError

from archspec.bounds import MAX_WHOLE
from archspec.spec.blocks import Block, BlockName
from archspec.spec.body import Body
from archspec.spec.defaults import Defaults
from archspec.spec.definitions import Defined
from archspec.spec.inputs import InputShape, is_size
from archspec.spec.values import MAX_NAMES, Variable


def _read_version(value: Any) -> Any:
    if type(value) is not int or value != 1:
        raise PydanticCustomError("bad-version", "should be 1, the version of the language that this program reads")
    return value


def _read_size_name(value: Any) -> Any:
    if not is_size(value):
        raise PydanticCustomError("bad-size", "should be one capital letter, as in the shape of an input")
    return value


def _read_size(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_WHOLE:
        raise PydanticCustomError("bad-size", "should be a whole number from 1")
    return value


def _check_line(text: str) -> str:
    """Check that a terminal shows a line as it is: no escape sequence, and nothing that turns the direction of
    writing."""
    if not text.isprintable():
        raise ValueError("should be one line without control characters")
    return text


SingleLine: TypeAlias = Annotated[str, AfterValidator(_check_line)]
Version: TypeAlias = Annotated[Literal[1], BeforeValidator(_read_version)]
SizeName: TypeAlias = Annotated[str, BeforeValidator(_read_size_name), Field(pattern="^[A-Z]$")]
Size: TypeAlias = Annotated[int, BeforeValidator(_read_size)]


class Document(BaseModel):
    """A document of the language, version 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    archspec: Version = Field(description="Version of the language.")
    name: SingleLine | None = Field(
        None, description="Name of the network; the file's name unless given.", max_length=200
    )
    description: str | None = Field(None, description="A sentence for lists of specs.")
    source: SingleLine | None = Field(None, description="Who published the network, in short.", max_length=200)
    extends: str | None = Field(None, description="Another spec; params, inputs, sizes and defaults replace its own.")
    params: dict[Variable, Defined] = Field(
        default_factory=dict, description="Values that a caller may override.", max_length=MAX_NAMES
    )
    let: dict[Variable, Defined] = Field(
        default_factory=dict, description="Names for values that follow from params.", max_length=MAX_NAMES
    )
    inputs: dict[Variable, InputShape] | None = Field(
        None,
        description="Shapes without the batch, or `{shape, type}`; a capital letter is a dynamic size.",
        min_length=1,
        max_length=MAX_NAMES,
    )
    sizes: dict[SizeName, Size] = Field(default_factory=dict, description="The usual value of each dynamic size.")
    defaults: Defaults = Field(default_factory=dict, description="Field defaults by node kind.")
    import_: list[str] = Field(default_factory=list, alias="import", description="Block libraries.")
    blocks: dict[BlockName, Block] = Field(default_factory=dict, description="Parametrised bodies.")
    expect: list[SingleLine] = Field(
        default_factory=list, description='Conditions on the analysis, as "params <= 25.6M".', max_length=MAX_NAMES
    )
    network: Body | None = Field(None, description="The nodes, each on the result of the one before.")
