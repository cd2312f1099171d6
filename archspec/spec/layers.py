"""A node of a body as a pydantic model, and those of layers, which are derived from the operations."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Annotated, Any, ClassVar, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    TypeAdapter,
    create_model,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from archspec.errors import NOWHERE, Place
from archspec.ops import LAYERS, Op
from archspec.ops.fields import MAX_AXES
from archspec.spec.expressions import MAX_LENGTH, Expression
from archspec.spec.marked import Table, place_in
from archspec.spec.values import Label, parse_expression, read_node_name

USUAL_NORM = "batch"
"""The kind of normalization where none is chosen."""


class SpecNode(BaseModel):
    """One step of a body. `place` is where it stands; `place_of(field)` is where a field's value (with `key` its name)
    stands."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    word: ClassVar[str]
    main: ClassVar[str | None] = None

    gives_way: ClassVar[bool] = False
    """True if in a block a body that is handed in may have its name, as some had before it was a word."""
    settings: ClassVar[tuple[str, ...]] = ()
    """The fields that a spec's `defaults` may set for this kind."""

    name: Annotated[str | None, BeforeValidator(read_node_name)] = Field(
        None, description="name of its own, for weights and messages; its word and ordinal unless given"
    )

    _place: Place = PrivateAttr(default_factory=lambda: NOWHERE)  # a default would be copied, deeply, for each node
    _written: Any = PrivateAttr(default=None)

    @cached_property
    def place(self) -> Place:
        return self._place  # pydantic's private attributes are slow to get

    @cached_property
    def written(self) -> Any:
        return self._written

    @property
    def called(self) -> str:
        """The name by which it is called in a spec, and in ids unless it has its own."""
        return self.word

    @property
    def weights_label(self) -> Label | None:
        """The label of the weights that it shares with other nodes."""
        return None

    @cached_property
    def given(self) -> dict[str, Any]:
        """The settings that the spec gives here."""
        return {key: getattr(self, key) for key in self.settings if key in self.model_fields_set}

    def place_of(self, *path: Any, key: bool = False) -> Place:
        written = self.written
        if isinstance(written, Table) and path and path[0] in written:
            return place_in(written, path, self.place, key=key)
        return self.place


class ErrorNode:
    """A node that could not be read; the mistake has been reported."""


class WeightedNode(SpecNode):
    """A node that may hold weights, of its own or of what is inside it; nodes with one label share them."""

    share: Annotated[Label | None, Field(description="label of the weights; nodes with one label share them")] = None

    @property
    def weights_label(self) -> Label | None:
        return self.share


class LayerNode(WeightedNode):
    """A primitive operation; the subclasses' fields are those of `op`, a number also by an expression."""

    op: ClassVar[type[Op]]


def layer_node(kind: str) -> type[LayerNode]:
    """The node of a word of the language that is an operation."""
    return node_of(LAYERS[kind])


@cache
def node_of(op: type[Op]) -> type[LayerNode]:
    """The node of an operation: its fields, each optional (`defaults` may give it), a number also by an expression."""
    fields: dict[str, Any] = {
        name: spell_field(info, None if info.is_required() else info.default) for name, info in op.model_fields.items()
    }
    model = create_model(f"{op.__name__}Node", __base__=LayerNode, __doc__=op.__doc__, **fields)
    model.word, model.main, model.op, model.settings = op.kind, op.main, op, tuple(fields)
    return model


def with_fields(node: type[SpecNode], op: type[Op], names: tuple[str, ...], *own: str) -> type[Any]:
    """The node with these fields of an operation, as a spec may write them; `defaults` may set these, and `own`."""
    infos = {name: op.model_fields[name] for name in names}
    fields: dict[str, Any] = {
        name: spell_field(info, None if info.is_required() else info.default) for name, info in infos.items()
    }
    model = create_model(f"{node.__name__}Node", __base__=node, __doc__=node.__doc__, **fields)
    model.settings = (*names, *own)
    return model


def annotation_of(info: FieldInfo) -> Any:
    """A field's type with its bounds and readers, which pydantic keeps apart."""
    return Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation


def spell_field(info: FieldInfo, default: Any) -> tuple[Any, Any]:
    """An operation's field as a spec may write it, as pydantic takes it: its type, in which an expression stands for a
    number or a boolean too, and its default with its description."""
    return _spell(annotation_of(info)), Field(default, description=info.description)


@cache
def _spell(annotation: Any) -> Any:
    words, numeric = _words_of(annotation), _takes_number(annotation)
    listed = _takes_list(annotation)

    def read(value: Any) -> Any:
        if isinstance(value, str) and value not in words:
            if not numeric:
                raise PydanticCustomError("bad-value", "should be {words}", {"words": " or ".join(words)})
            return parse_expression(value)
        if listed and isinstance(value, list) and len(value) <= MAX_AXES + 1:  # the channels too, of a whole shape
            entries = [
                parse_expression(item) if isinstance(item, str) and item not in words else item for item in value
            ]
            if any(isinstance(item, Expression) for item in entries):
                return entries  # they are held against the field's type when each has its value
        return adapter_of(annotation).validate_python(value)

    return Annotated[Any, PlainValidator(read), _SpelledSchema(annotation, bool(words), numeric)]


@cache
def adapter_of(annotation: Any) -> TypeAdapter[Any]:
    """The reader of a field's value. Fields of one type share it, and it is made when the first of them is read."""
    return TypeAdapter(annotation)


@dataclass(frozen=True)
class _SpelledSchema:
    """The JSON Schema of a field, where a number may also be an expression.

    It is made when the language's schema is written: for reading a spec it would take most of the time.
    """

    annotation: Any
    words: bool
    numeric: bool

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        plain = adapter_of(self.annotation).json_schema()
        return _allow_expressions(plain, self.words) if self.numeric else plain


def _allow_expressions(plain: dict[str, Any], words: bool) -> dict[str, Any]:
    """The schema of a value, or of each entry of a list, that may be an expression."""
    forms = plain["anyOf"] if words or any("items" in form for form in plain.get("anyOf", ())) else [plain]
    spelled = [
        {**form, "items": _allow_expressions(form["items"], words="anyOf" in form["items"])}
        if "items" in form
        else form
        for form in forms
    ]
    return {"anyOf": [*spelled, {"type": "string", "maxLength": MAX_LENGTH}]}


def _words_of(annotation: Any) -> tuple[str, ...]:
    """The literal words that a field takes."""
    if isinstance(annotation, str):
        return (annotation,)
    return tuple(word for part in get_args(annotation) for word in _words_of(part))


def describe_values(op: type[Op], field: str) -> str:
    """Describe what a field of an operation takes, in words: "`same` or a whole number"."""
    annotation = annotation_of(op.model_fields[field])
    kinds = {bool: "true or false", int: "a whole number", float: "a number"}
    taken = _flatten(annotation)
    taken -= {int} if float in taken else set()
    words = dict.fromkeys(f"`{word}`" for word in _words_of(annotation))
    *head, last = [*words, *(kinds[k] for k in kinds if k in taken)]
    each = ", or a list with one for each spatial axis" if _takes_list(annotation) else ""
    return f"{', '.join(head)} or {last}{each}" if head else f"{last}{each}"


def _flatten(annotation: Any) -> set[Any]:
    parts = get_args(annotation)
    return set().union(*map(_flatten, parts)) if parts else {annotation} if isinstance(annotation, type) else set()


def _takes_list(annotation: Any) -> bool:
    """Tell whether a field takes a list with an entry for each spatial axis."""
    return get_origin(annotation) is tuple or any(_takes_list(part) for part in get_args(annotation))


def _takes_number(annotation: Any) -> bool:
    """Tell whether a field takes a number or a boolean."""
    return annotation in (int, float, bool) or any(_takes_number(part) for part in get_args(annotation))


def overlay(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one kind of node in one, the last has its way; another `kind` of norm or activation leaves
    nothing of those of the one before."""
    merged: dict[str, Any] = {}
    for layer in layers:
        replaced = "kind" in layer and layer["kind"] != merged.get("kind", USUAL_NORM)
        merged = {**({} if replaced else merged), **layer}
    return merged
