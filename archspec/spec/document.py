"""One document, as written: a spec, a variant of one, or a block library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from archspec.bounds import MAX_WHOLE
from archspec.errors import Place
from archspec.ops import LAYERS
from archspec.spec.body import Body
from archspec.spec.expressions import Expression, ExpressionError
from archspec.spec.layers import SpecNode, adapter_of, annotation_of, layer_node, overlay
from archspec.spec.marked import Table, place_in
from archspec.spec.messages import report_invalid
from archspec.spec.nodes import STRUCTURE
from archspec.spec.reading import ARGUMENT_TYPES, Argument, Reading, reading_of
from archspec.spec.suggestions import suggest_field, suggest_kind
from archspec.spec.values import MAX_ITEMS, MAX_NAMES, Numeric, Variable, read_number


def _read_version(value: Any) -> Any:
    if type(value) is not int or value != 1:
        raise PydanticCustomError("bad-version", "should be 1, the version of the language that this program reads")
    return value


def is_size(entry: Any) -> bool:
    """True if an entry of an input's shape is a dynamic size: one capital letter."""
    return isinstance(entry, str) and re.fullmatch("[A-Z]", entry) is not None


def read_param(value: Any) -> Any:
    """A number, a boolean, or a list of such."""
    if isinstance(value, list) and len(value) <= MAX_ITEMS:
        for item in value:
            if isinstance(item, str):
                problem = "should hold values, found a list with '{text}', which is not computed here"
                raise PydanticCustomError("bad-param", f"{problem}: params have no expressions", {"text": item[:40]})
        return [read_param(item) for item in value]
    if isinstance(value, bool | int | float) and abs(value) <= MAX_WHOLE:
        return value
    raise PydanticCustomError(
        "bad-param",
        "should be a number up to {largest}, a boolean or a list of up to {most} such",
        {"largest": f"{MAX_WHOLE:,}", "most": f"{MAX_ITEMS:,}"},
    )


def _read_dimensions(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= 4:
        raise PydanticCustomError("bad-shape", "should be a list of one to four entries, channels first")
    if is_size(value[0]):
        raise PydanticCustomError("bad-shape", "should begin with the number of channels, which is not a dynamic size")
    if any(entry is None for entry in value):
        raise PydanticCustomError("bad-shape", "has an entry without a value; a capital letter is a dynamic size")
    return tuple(entry if is_size(entry) else read_number(entry) for entry in value)


def _read_size_name(value: Any) -> Any:
    if not is_size(value):
        raise PydanticCustomError("bad-size", "should be one capital letter, as in the shape of an input")
    return value


def _read_size(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_WHOLE:
        raise PydanticCustomError("bad-size", "should be a whole number from 1")
    return value


def _read_argument(value: Any) -> Argument:
    """Read `int`, `int = 1`, `block = none`."""
    kind, equals, default = (str(value) if isinstance(value, str) else "").partition("=")
    if kind.strip() not in ARGUMENT_TYPES:
        types = ", ".join(ARGUMENT_TYPES)
        raise PydanticCustomError(
            "bad-argument", "should be a type ({types}), or a type and a default as in `int = 1`", {"types": types}
        )
    if not equals:
        return Argument(kind.strip())  # type: ignore[arg-type]
    if kind.strip() == "block":
        if default.strip() != "none":
            raise PydanticCustomError("bad-argument", "of type block has the default none or no default")
        return Argument("block", "none")
    if default.strip().startswith("["):
        problem = "cannot have a list written out as its default; name a list of `params`, or give the argument"
        raise PydanticCustomError("bad-argument", "{problem}", {"problem": problem})
    try:
        return Argument(kind.strip(), Expression.parse(default.strip()))  # type: ignore[arg-type]
    except ExpressionError as error:
        raise PydanticCustomError(error.code, "{text}", {"text": str(error)}) from error


def _read_block_name(value: Any) -> str:
    taken = value in LAYERS or value in STRUCTURE
    if taken or not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", value):
        problem = "is a word of the language already" if taken else "should be a name of letters, digits and _"
        raise PydanticCustomError("bad-name", "{problem}", {"problem": problem})
    return value


def _check_line(text: str) -> str:
    """Check that a terminal shows a line as it is: no escape sequence, and nothing that turns the direction of
    writing."""
    if not text.isprintable():
        raise ValueError("should be one line without control characters")
    return text


_WORD = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
Dimensions: TypeAlias = Annotated[
    tuple[Any, ...],
    PlainValidator(_read_dimensions),
    WithJsonSchema({"type": "array", "items": {"type": ["integer", "string"]}, "minItems": 1, "maxItems": 4}),
]
SingleLine: TypeAlias = Annotated[str, AfterValidator(_check_line)]
Version: TypeAlias = Annotated[Literal[1], BeforeValidator(_read_version)]
SizeName: TypeAlias = Annotated[str, BeforeValidator(_read_size_name), Field(pattern="^[A-Z]$")]
Size: TypeAlias = Annotated[int, BeforeValidator(_read_size)]
Param: TypeAlias = Annotated[Any, PlainValidator(read_param), WithJsonSchema({"type": ["number", "boolean", "array"]})]
ArgumentField: TypeAlias = Annotated[
    Argument,
    PlainValidator(_read_argument),
    WithJsonSchema({"type": "string", "pattern": f"^({'|'.join(ARGUMENT_TYPES)})( *=.*)?$"}),
]
BlockName: TypeAlias = Annotated[str, PlainValidator(_read_block_name), WithJsonSchema(_WORD)]


_EXT = "; an `ext` takes its fields where it stands"


def _read_defaults(value: Any, info: ValidationInfo) -> Any:
    """Read field defaults by node kind; each mistake is reported at its own place."""
    reading = reading_of(info)
    if not isinstance(value, Table):
        raise PydanticCustomError("wrong-type", "should be a mapping of node kinds to fields")
    return {kind: _read_kind_defaults(kind, fields, value, reading) for kind, fields in value.items()}


def _read_kind_defaults(kind: str, fields: Any, written: Table, reading: Reading) -> Mapping[str, Any]:
    model: type[SpecNode] | None = layer_node(kind) if kind in LAYERS else STRUCTURE.get(kind)
    if model is None or not model.settings:
        with_settings = [*LAYERS, *(word for word, node in STRUCTURE.items() if node.settings)]
        message = f"`defaults` knows no node kind '{kind}'{suggest_kind(kind, with_settings) or _EXT}"
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


Defaults: TypeAlias = Annotated[Any, PlainValidator(_read_defaults), WithJsonSchema({"x-ref": "defaults"})]


class Block(BaseModel):
    """A parametrised body. It sees its arguments, the spec's params and `in_channels`.

    Its `defaults` hold where those of the compiled spec say nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    args: dict[Variable, ArgumentField] = Field(
        default_factory=dict, max_length=MAX_NAMES, description="Arguments: a type, or a type and a default."
    )
    let: dict[Variable, Numeric] = Field(
        default_factory=dict, max_length=MAX_NAMES, description="Expressions by name, each of them in turn."
    )
    defaults: Defaults = Field(default_factory=dict, description="Field defaults of its body, by node kind.")
    body: Body = Field(description="The nodes that a call stands for.")

    _written: Any = PrivateAttr(default=None)

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, value: Any, handler: ModelWrapValidatorHandler[Block], info: ValidationInfo) -> Block:
        reading = reading_of(info)
        with reading.inside(read_signature(value)):
            block = handler(value)
        block._written = value
        for name, argument in block.args.items():
            if argument.type == "block" and (name in LAYERS or name in STRUCTURE):
                place = place_in(value, ("args", name), value.at, key=True)
                reading.report("bad-name", f"'{name}' is a word of the language already; rename the argument", place)
        return block

    @property
    def written(self) -> Any:
        return self._written

    def place_of(self, *path: Any) -> Place:
        return place_in(self._written, path, self._written.at)

    def within(self, defaults: Mapping[str, Any], written: Any) -> Block:
        """Make the block of a library with these defaults, also as written; its own go before them."""
        block = self.model_copy(update={"defaults": merge_defaults(defaults, self.defaults)})
        block._written = self._written.copy_with(defaults=merge_defaults(written, self._written.get("defaults")))
        return block


def read_signature(written: Any) -> Mapping[str, Argument]:
    """The arguments that a block declares, as far as they can be read; mistakes are reported when the block is."""
    declared = written.get("args") if isinstance(written, dict) else None
    signature: dict[str, Argument] = {}
    for name, value in (declared if isinstance(declared, dict) else {}).items():
        try:
            signature[name] = _read_argument(value)
        except PydanticCustomError:
            signature[name] = Argument("int", "none")
    return signature


def merge_defaults(*tables: Any) -> dict[str, Any]:
    """The defaults by node kind in one, the last have their way; what is no mapping has been reported."""
    given = [table for table in tables if isinstance(table, Mapping)]
    kinds = {kind: None for table in given for kind in table}
    return {kind: overlay(*(table[kind] for table in given if isinstance(table.get(kind), Mapping))) for kind in kinds}


class Document(BaseModel):
    """A document of the language, version 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    archspec: Version = Field(description="Version of the language.")
    name: SingleLine | None = Field(
        None, description="Name of the network; the file's name unless given.", max_length=200
    )
    description: str | None = Field(None, description="A sentence for lists of specs.")
    source: SingleLine | None = Field(None, description="Who published the network, in short.", max_length=200)
    extends: str | None = Field(None, description="Another spec, whose params, sizes and defaults this one replaces.")
    params: dict[Variable, Param] = Field(
        default_factory=dict, description="Values that a caller may override.", max_length=MAX_NAMES
    )
    inputs: dict[Variable, Dimensions] | None = Field(
        None,
        description="Shapes without the batch; a capital letter is a dynamic size.",
        min_length=1,
        max_length=MAX_NAMES,
    )
    sizes: dict[SizeName, Size] = Field(default_factory=dict, description="The usual value of each dynamic size.")
    defaults: Defaults = Field(default_factory=dict, description="Field defaults by node kind.")
    import_: list[str] = Field(default_factory=list, alias="import", description="Block libraries.")
    blocks: dict[BlockName, Block] = Field(default_factory=dict, description="Parametrised bodies.")
    network: Body | None = Field(None, description="The nodes, each on the result of the one before.")
