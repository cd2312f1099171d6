"""The nodes of a body, as pydantic models. Layer nodes are derived from the operations; structure nodes stand here.

A mistake in one node does not hide the next: it is reported to the `Reading`, and a `Broken` node takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from archspec.errors import Place, suggest
from archspec.ops import LAYERS, Op
from archspec.spec.expressions import MAX_LENGTH
from archspec.spec.messages import report_invalid
from archspec.spec.reading import Reading, reading_of
from archspec.spec.text import Table, place_in
from archspec.spec.values import (
    MAX_NAMES,
    Label,
    NumberList,
    Numeric,
    Variable,
    parse_expression,
    read_node_name,
)

_NOWHERE = Place("")


class Node(BaseModel):
    """One step of a body. `place` is where it stands; `place_of(field)` is where a field's value stands."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    word: ClassVar[str]
    main: ClassVar[str | None] = None

    settings: ClassVar[tuple[str, ...]] = ()
    """The fields that a spec's `defaults` may set for this kind."""

    name: Annotated[str | None, BeforeValidator(read_node_name)] = None
    """A name of its own, for weights and messages; otherwise the kind and its ordinal."""

    _place: Place = PrivateAttr(default_factory=lambda: _NOWHERE)  # a default would be copied, deeply, for each node
    _written: Any = PrivateAttr(default=None)

    @cached_property
    def place(self) -> Place:
        return self._place  # pydantic's private attributes are slow to get

    @property
    def written(self) -> Any:
        return self._written

    @property
    def kind(self) -> str:
        return self.word

    def place_of(self, *path: Any) -> Place:
        written = self._written
        if isinstance(written, Table) and path and path[0] in written:
            return place_in(written, path, self._place)
        return self._place


class Broken:
    """Stands where a node could not be read; the mistake has been reported."""

    kind = "broken"
    name = None


def _read_body(value: Any, info: ValidationInfo) -> tuple[Any, ...]:
    reading = reading_of(info)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise PydanticCustomError("wrong-type", "should be a list of nodes")
    return tuple(read_node(item, place_in(value, (i,), Place(reading.file)), reading) for i, item in enumerate(value))


Body: TypeAlias = Annotated[tuple[Any, ...], PlainValidator(_read_body), WithJsonSchema({"x-ref": "body"})]
Branches: TypeAlias = Annotated[list[Body], Field(min_length=1)]
Fit: TypeAlias = Literal["error", "crop"]
MergeWord: TypeAlias = Literal["add", "concat", "mul"]


class LayerNode(Node):
    """A primitive operation; the subclasses' fields are those of `op`, a number also by an expression."""

    op: ClassVar[type[Op]]

    @property
    def given(self) -> dict[str, Any]:
        """The operation's fields that the spec gives."""
        return {key: getattr(self, key) for key in self.settings if key in self.model_fields_set}


class Loop(Node):
    """`n` turns, or one for each position of lists of equal length."""

    n: Numeric | None = None
    each: dict[Variable, NumberList] | None = Field(None, max_length=MAX_NAMES)
    as_: Variable = Field("i", alias="as")

    @model_validator(mode="after")
    def _count_once(self) -> Loop:
        if (self.n is None) == (self.each is None):
            raise PydanticCustomError("bad-loop", "needs either `n` or `each`")
        if self.each is not None and not self.each:
            raise PydanticCustomError("bad-loop", "needs at least one list in `each`")
        if self.as_ in (self.each or ()):
            raise PydanticCustomError(
                "bad-loop",
                "has a list '{name}' in `each`, which is the index's name; give another by `as`",
                {"name": self.as_},
            )
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


class Residual(Node):
    word = "residual"
    body: Body
    shortcut: Body | None = None
    project: Body | None = None
    scale: Numeric | None = None
    survival: Numeric | None = None

    settings = ("scale", "survival")

    @model_validator(mode="after")
    def _choose_one(self) -> Residual:
        if self.shortcut is not None and self.project is not None:
            raise PydanticCustomError(
                "bad-residual", "takes `shortcut` (always used) or `project` (where shapes differ), not both"
            )
        return self


class Branching(Node):
    """Branches of one value, merged."""

    main = "branches"
    branches: Branches
    fit: Fit = "error"

    settings = ("fit",)


class AddNode(Branching):
    word = "add"


class ConcatNode(Branching):
    word = "concat"


class MulNode(Branching):
    word = "mul"


class When(Node):
    word = "when"
    test: Numeric
    then: Body
    else_: Body = Field((), alias="else")


class Labelled(Node):
    main = "label"
    label: Label


class Tap(Labelled):
    word = "tap"


class From(Labelled):
    word = "from"


class Output(Labelled):
    word = "output"


class Ext(Node):
    """An operation in Python that the caller allowed by name; its fields are the operation's own."""

    model_config = ConfigDict(extra="allow")

    word = "ext"
    main = "use"
    use: str


class CallNode(Node):
    """A call of a block, or the place of a body that was handed in."""

    block: str
    arguments: Mapping[str, Any] = Field(default_factory=lambda: MappingProxyType({}))

    @property
    def kind(self) -> str:
        return self.block


STRUCTURE: dict[str, type[Node]] = {
    node.word: node
    for node in (Residual, Dense, AddNode, ConcatNode, MulNode, EncoderDecoder, Repeat, When, Tap, From, Output, Ext)
}


def layer_node(kind: str) -> type[LayerNode]:
    """The node of a word of the language that is an operation."""
    return node_of(LAYERS[kind])


@cache
def node_of(op: type[Op]) -> type[LayerNode]:
    """The node of an operation: its fields, each optional (`defaults` may give it), a number also by an expression."""
    fields: dict[str, Any] = {
        name: (_spelled(info), None if info.is_required() else info.default) for name, info in op.model_fields.items()
    }
    model = create_model(f"{op.__name__}Node", __base__=LayerNode, __doc__=op.__doc__, **fields)
    model.word, model.main, model.op, model.settings = op.kind, op.main, op, tuple(fields)
    return model


def annotation_of(info: FieldInfo) -> Any:
    """A field's type with its bounds and readers, which pydantic keeps apart."""
    return Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation


def _spelled(info: FieldInfo) -> Any:
    """The type of an operation's field as a spec may write it: an expression stands for a number or a boolean too."""
    annotation = annotation_of(info)
    words, numeric = _words_of(annotation), _takes_number(annotation)
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    schema = adapter.json_schema()
    if numeric and not words:
        schema = {"anyOf": [schema, {"type": "string", "maxLength": MAX_LENGTH}]}
    elif numeric:
        schema = {"anyOf": [*schema["anyOf"], {"type": "string", "maxLength": MAX_LENGTH}]}

    def read(value: Any) -> Any:
        if isinstance(value, str) and value not in words:
            if not numeric:
                raise PydanticCustomError("bad-value", "should be {words}", {"words": " or ".join(words)})
            return parse_expression(value)
        return adapter.validate_python(value)

    return Annotated[Any, PlainValidator(read), WithJsonSchema(schema)]


def _words_of(annotation: Any) -> tuple[str, ...]:
    """The literal words that a field takes."""
    if isinstance(annotation, str):
        return (annotation,)
    return tuple(word for part in get_args(annotation) for word in _words_of(part))


def _takes_number(annotation: Any) -> bool:
    """Whether a field takes a number or a boolean."""
    return annotation in (int, float, bool) or any(_takes_number(part) for part in get_args(annotation))


def read_node(raw: Any, place: Place, reading: Reading) -> Node | Broken:
    """One node of a body; what is wrong in it is reported, and `Broken` stands in its place."""
    if isinstance(raw, str):
        word, value, at, value_at = raw, None, place, place
    elif isinstance(raw, Table) and len(raw) == 1:
        ((word, value),) = raw.items()
        at, value_at = raw.keys_at[word], raw.values_at[word]
    elif isinstance(raw, Table) and raw:
        keys = " and ".join(f"`{key}`" for key in list(raw)[:3])
        reading.report("bad-node", f"a node has one key, found {keys}; indent its fields, or start a new item", place)
        return Broken()
    else:
        reading.report("bad-node", "a node is a word, or a mapping with one key", place)
        return Broken()
    if word in LAYERS:
        return _read_fields(layer_node(word), value, at, value_at, reading)
    if word in STRUCTURE:
        return _read_fields(STRUCTURE[word], value, at, value_at, reading)
    if word in reading.signatures or word in reading.bodies:
        return _read_call(word, value, at, reading)
    known = [*LAYERS, *STRUCTURE, *reading.signatures, *reading.bodies]
    reading.report("unknown-node", f"unknown node '{word}'{suggest(word, known)}", at)
    return Broken()


def _read_fields(model: type[Node], value: Any, at: Place, value_at: Place, reading: Reading) -> Node | Broken:
    fields = Table(at)
    if isinstance(value, Table):
        fields = value
    elif value is not None and model.main is None:
        message = f"{model.word} takes named fields, as in `{model.word}: {{...}}`"
        reading.report("wrong-type", message, at)
        return Broken()
    elif value is not None and model.main is not None:
        fields[model.main] = value
        fields.keys_at[model.main], fields.values_at[model.main] = at, value_at
    try:
        node = model.model_validate(fields, context=reading)
    except ValidationError as error:
        report_invalid(error, model, model.word, fields, at, at, reading.mistakes)
        return Broken()
    node._place, node._written = at, fields
    return node


def _read_call(word: str, value: Any, at: Place, reading: Reading) -> Node | Broken:
    if value is not None and not isinstance(value, Table):
        reading.report("wrong-type", f"{word} takes named arguments, as in `{word}: {{argument: value}}`", at)
        return Broken()
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
        return Broken()
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
