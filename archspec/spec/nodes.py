"""The nodes of a body, as pydantic models. Layer nodes are derived from the operations; structure nodes stand here.

A mistake in one node does not hide the next: it is reported to the `Reading`, and a `ErrorNode` node takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from archspec.errors import Place, suggest
from archspec.ops import LAYERS
from archspec.ops.values import Draw
from archspec.spec.layers import ErrorNode, NormNode, SpecNode, layer_node
from archspec.spec.marked import Table, place_in
from archspec.spec.messages import report_invalid
from archspec.spec.reading import Reading, reading_of
from archspec.spec.suggestions import suggest_node
from archspec.spec.values import (
    MAX_NAMES,
    Label,
    NumberList,
    Numeric,
    Variable,
    read_node_name,
)


def _read_body(value: Any, info: ValidationInfo) -> tuple[Any, ...]:
    reading = reading_of(info)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise PydanticCustomError("wrong-type", "should be a list of nodes")
    return tuple(read_node(item, place_in(value, (i,), Place(reading.file)), reading) for i, item in enumerate(value))


Body: TypeAlias = Annotated[tuple[Any, ...], PlainValidator(_read_body), WithJsonSchema({"x-ref": "body"})]
Branches: TypeAlias = Annotated[list[Body], Field(min_length=1)]
Fit: TypeAlias = Literal["error", "crop", "pad"]
Scaling: TypeAlias = Literal["none", "sqrt_half", "skip_init", "stable", "fixup"]
Decay: TypeAlias = Literal["constant", "linear"]
Drop: TypeAlias = Literal["sample", "batch", "shake"]
MergeWord: TypeAlias = Literal["add", "concat", "mul"]


class Turns(SpecNode):
    """A loop's `n` turns, or one for each position of lists of equal length; or neither."""

    n: Numeric | None = None
    each: dict[Variable, NumberList] | None = Field(None, max_length=MAX_NAMES)
    as_: Variable = Field("i", alias="as")

    @model_validator(mode="after")
    def _name_turns(self) -> Turns:
        if self.each is not None and not self.each:
            raise PydanticCustomError("bad-loop", "needs at least one list in `each`")
        if self.as_ in (self.each or ()):
            raise PydanticCustomError(
                "bad-loop",
                "has a list '{name}' in `each`, which is the index's name; give another by `as`",
                {"name": self.as_},
            )
        return self


class Loop(Turns):
    """Turns, one after the other."""

    @model_validator(mode="after")
    def _count_once(self) -> Loop:
        if (self.n is None) == (self.each is None):
            raise PydanticCustomError("bad-loop", "needs either `n` or `each`")
        return self


class Repeat(Loop):
    word = "repeat"
    body: Body


class Dense(Loop):
    word = "dense"
    body: Body


class EncoderDecoder(Loop):
    word = "encoder_decoder"
    encoder: Body = ()
    skip: Body = ()
    down: Body = ()
    bottom: Body = ()
    up: Body = ()
    merge: MergeWord = "concat"
    fit: Fit = "error"
    decoder: Body = ()

    settings = ("merge", "fit")


class Residual(SpecNode):
    word = "residual"
    body: Body
    shortcut: Body | None = None
    project: Body | None = None
    scale: Numeric | None = None
    survival: Numeric | None = None
    scaling: Scaling = "none"
    decay: Decay = "constant"
    drop: Drop | None = None

    settings = ("scale", "survival", "scaling", "decay", "drop")

    @model_validator(mode="after")
    def _choose_one(self) -> Residual:
        if self.shortcut is not None and self.project is not None:
            raise PydanticCustomError(
                "bad-residual", "takes `shortcut` (always used) or `project` (where shapes differ), not both"
            )
        return self


class Branching(Turns):
    """Branches of one value, merged: a list of bodies, or one body for each turn of a loop."""

    main = "branches"
    branches: Branches | None = None
    body: Body | None = None
    fit: Fit = "error"

    settings: ClassVar[tuple[str, ...]] = ("fit",)

    @model_validator(mode="after")
    def _choose_one(self) -> Branching:
        turning = (self.n is None) != (self.each is None)
        listed = self.branches is not None and self.body is None and self.n is None and self.each is None
        if not listed and not (turning and self.body is not None and self.branches is None):
            raise PydanticCustomError("bad-branches", "needs a list of bodies, or `n` or `each` with one `body`")
        return self


class AddNode(Branching):
    word = "add"


class ConcatNode(Branching):
    word = "concat"


class MulNode(Branching):
    word = "mul"


class ShakeNode(Branching):
    """Branches whose weights in the sum are drawn anew at each step of training."""

    word = "shake"
    draw: Draw = "sample"

    settings: ClassVar[tuple[str, ...]] = ("fit", "draw")


class When(SpecNode):
    word = "when"
    test: Numeric
    then: Body
    else_: Body = Field((), alias="else")


class Labelled(SpecNode):
    main = "label"
    label: Label


class Tap(Labelled):
    word = "tap"


class From(Labelled):
    word = "from"


class Output(Labelled):
    word = "output"


class Ext(SpecNode):
    """An operation in Python that the caller allowed by name; its fields are the operation's own."""

    model_config = ConfigDict(extra="allow")

    word = "ext"
    main = "use"
    use: str


class CallNode(SpecNode):
    """A call of a block, or the place of a body that was handed in."""

    block: str
    arguments: Mapping[str, Any] = Field(default_factory=lambda: MappingProxyType({}))

    @property
    def called(self) -> str:
        return self.block


_NODES: tuple[type[SpecNode], ...] = (
    *(Residual, Dense, AddNode, ConcatNode, MulNode, ShakeNode, EncoderDecoder, Repeat, When),
    *(Tap, From, Output, NormNode, Ext),
)
STRUCTURE: dict[str, type[SpecNode]] = {node.word: node for node in _NODES}


def read_node(raw: Any, place: Place, reading: Reading) -> SpecNode | ErrorNode:
    """Read one node of a body; what is wrong in it is reported, and `ErrorNode` stands in its place."""
    if isinstance(raw, str):
        word, value, at, value_at = raw, None, place, place
    elif isinstance(raw, Table) and len(raw) == 1:
        ((word, value),) = raw.items()
        at, value_at = raw.keys_at[word], raw.values_at[word]
    elif isinstance(raw, Table) and raw:
        keys = " and ".join(f"`{key}`" for key in list(raw)[:3])
        reading.report("bad-node", f"a node has one key, found {keys}; indent its fields, or start a new item", place)
        return ErrorNode()
    else:
        reading.report("bad-node", "a node is a word, or a mapping with one key", place)
        return ErrorNode()
    if word in LAYERS:
        return _read_fields(layer_node(word), value, at, value_at, reading)
    if word in STRUCTURE:
        return _read_fields(STRUCTURE[word], value, at, value_at, reading)
    if word in reading.signatures or word in reading.bodies:
        return _read_call(word, value, at, reading)
    known = [*LAYERS, *STRUCTURE, *reading.signatures, *reading.bodies]
    reading.report("unknown-node", f"unknown node '{word}'{suggest_node(word, known)}", at)
    return ErrorNode()


def _read_fields(
    model: type[SpecNode], value: Any, at: Place, value_at: Place, reading: Reading
) -> SpecNode | ErrorNode:
    fields = Table(at)
    if isinstance(value, Table):
        fields = value
    elif value is not None and model.main is None:
        reading.report("wrong-type", _explain_fields(model, value), at)
        return ErrorNode()
    elif value is not None and model.main is not None:
        fields[model.main] = value
        fields.keys_at[model.main], fields.values_at[model.main] = at, value_at
    try:
        node = model.model_validate(fields, context=reading)
    except ValidationError as error:
        report_invalid(error, model, model.word, fields, at, at, reading.mistakes)
        return ErrorNode()
    node._place, node._written = at, fields
    return node


def _explain_fields(model: type[SpecNode], value: Any) -> str:
    """Explain why a value cannot stand behind a word that has no main field, and what is written there."""
    word, fields = model.word, [info.alias or name for name, info in model.model_fields.items() if name != "name"]
    if not fields:
        return f"{word} has no fields: write `{word}` alone"
    message = f"{word} takes named fields: {', '.join(fields)}"
    if "body" in fields:
        count = "n: 2, " if "n" in fields else ""
        message = f"{word} takes named fields, as in `{word}: {{{count}body: [...]}}`"
    if model is Dense and not isinstance(value, list):
        message += f"; a fully connected layer is `linear: {value}`"
    return message


def _read_call(word: str, value: Any, at: Place, reading: Reading) -> SpecNode | ErrorNode:
    if value is not None and not isinstance(value, Table):
        reading.report("wrong-type", f"{word} takes named arguments, as in `{word}: {{argument: value}}`", at)
        return ErrorNode()
    given: Table = value if value is not None else Table(at)
    before = len(reading.mistakes)
    signature = reading.signatures.get(word, {}) if word not in reading.bodies else {}
    arguments: dict[str, Any] = {}
    name = None
    for key, raw in given.items():
        try:
            if key in signature:
                arguments[key] = _ARGUMENT_READERS[signature[key].type].validate_python(raw, context=reading)
            elif key == "name":
                name = read_node_name(raw)
            else:
                takes = f"; it takes {', '.join(signature)}" if signature else "; it takes no arguments"
                near = suggest(key, signature) or takes
                reading.report("unknown-argument", f"unknown argument '{key}' of {word}{near}", given.keys_at[key])
        except ValidationError as error:
            report_invalid(
                error, None, f"{word}'s {key}", raw, given.values_at[key], given.values_at[key], reading.mistakes
            )
        except PydanticCustomError as error:
            reading.report(error.type, f"`name` {error.message()}", given.values_at[key])
    missing = [f"`{key}`" for key, argument in signature.items() if argument.required and key not in given]
    if missing:
        reading.report("missing-argument", f"{word} needs {' and '.join(missing)}", at)
    if len(reading.mistakes) > before:
        return ErrorNode()
    node = CallNode(block=word, arguments=MappingProxyType(arguments), name=name)
    node._place, node._written = at, value
    return node


def _read_handed_body(value: Any, info: ValidationInfo) -> Any:
    return () if value == "none" else _read_body(value, info)


_ARGUMENT_READERS: dict[str, TypeAdapter[Any]] = {
    **{kind: TypeAdapter(Numeric) for kind in ("int", "float", "bool")},
    "list": TypeAdapter(NumberList),
    "block": TypeAdapter(Annotated[tuple[Any, ...], PlainValidator(_read_handed_body)]),
}
