"""Bodies of nodes as they are written: each node is read by the model of its word, or as a call of a block.

A mistake in one node does not hide the next: it is reported to the `Reading`, and an `ErrorNode` takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias

from pydantic import Field, PlainValidator, TypeAdapter, ValidationError, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from archspec.errors import Place, suggest
from archspec.ops import LAYERS
from archspec.ops.words import Words
from archspec.spec.layers import ErrorNode, SpecNode, WeightedNode, layer_node
from archspec.spec.marked import Table, place_in
from archspec.spec.messages import report_invalid
from archspec.spec.reading import Reading, reading_of
from archspec.spec.suggestions import suggest_node
from archspec.spec.values import NumberList, Numeric, Reference, read_node_name, read_template

STRUCTURE: Words[type[SpecNode]] = Words(
    "archspec.spec",
    {
        "residual": "nodes.residual.Residual",
        "dense": "nodes.flow.Dense",
        "add": "nodes.merges.AddNode",
        "sub": "nodes.merges.SubNode",
        "mul": "nodes.merges.MulNode",
        "div": "nodes.merges.DivNode",
        "max": "nodes.merges.MaxNode",
        "min": "nodes.merges.MinNode",
        "concat": "nodes.merges.ConcatNode",
        "shake": "nodes.merges.ShakeNode",
        "encoder_decoder": "nodes.levels.EncoderDecoder",
        "repeat": "nodes.flow.Repeat",
        "when": "nodes.flow.When",
        "tap": "nodes.taps.Tap",
        "from": "nodes.taps.From",
        "output": "nodes.taps.Output",
        "norm": "choices.NormNode",
        "activation": "choices.ActivationNode",
        "ext": "nodes.ext.Ext",
        "attend": "nodes.attention.AttendNode",
        "windows": "nodes.attention.WindowsNode",
        "deform_conv": "nodes.deform.DeformConvNode",
        "resize": "nodes.like.ResizeNode",
        "map": "nodes.like.MapNode",
        "max_unpool": "nodes.unpool.MaxUnpoolNode",
        "split": "nodes.split.SplitNode",
    },
)
"""The words beside `LAYERS`, and where their models are. Many hold bodies, so each is loaded when a spec uses it."""
COMMON = frozenset(WeightedNode.model_fields)
"""The fields that nodes have whatever their word."""


def _read_body(value: Any, info: ValidationInfo) -> tuple[Any, ...]:
    reading = reading_of(info)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise PydanticCustomError("wrong-type", "should be a list of nodes")
    return tuple(read_node(item, place_in(value, (i,), Place(reading.file)), reading) for i, item in enumerate(value))


Body: TypeAlias = Annotated[tuple[Any, ...], PlainValidator(_read_body), WithJsonSchema({"x-ref": "body"})]


class CallNode(WeightedNode):
    """A call of a block, or the place of a body that was handed in."""

    word = ""

    block: str
    arguments: Mapping[str, Any] = Field(default_factory=lambda: MappingProxyType({}))

    @property
    def called(self) -> str:
        return self.block


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
    if word in STRUCTURE and not (word in reading.bodies and STRUCTURE[word].gives_way):
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
    word, fields = model.word, [info.alias or name for name, info in model.model_fields.items() if name not in COMMON]
    if not fields:
        return f"{word} has no fields: write `{word}` alone"
    message = f"{word} takes named fields: {', '.join(fields)}"
    if "body" in fields:
        count = "n: 2, " if "n" in fields else ""
        message = f"{word} takes named fields, as in `{word}: {{{count}body: [...]}}`"
    if word == "dense" and not isinstance(value, list):
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
    common: dict[str, Any] = {}
    for key, raw in given.items():
        try:
            if key in signature:
                arguments[key] = _ARGUMENT_READERS[signature[key].type].validate_python(raw, context=reading)
            elif key in _COMMON_READERS:
                common[key] = _COMMON_READERS[key](raw)
            else:
                takes = f"; it takes {', '.join(signature)}" if signature else "; it takes no arguments"
                near = suggest(key, signature) or takes
                reading.report("unknown-argument", f"unknown argument '{key}' of {word}{near}", given.keys_at[key])
        except ValidationError as error:
            report_invalid(
                error, None, f"{word}'s {key}", raw, given.values_at[key], given.values_at[key], reading.mistakes
            )
        except PydanticCustomError as error:
            reading.report(error.type, f"`{key}` {error.message()}", given.values_at[key])
    missing = [f"`{key}`" for key, argument in signature.items() if argument.required and key not in given]
    if missing:
        reading.report("missing-argument", f"{word} needs {' and '.join(missing)}", at)
    if len(reading.mistakes) > before:
        return ErrorNode()
    node = CallNode(block=word, arguments=MappingProxyType(arguments), **common)
    node._place, node._written = at, value
    return node


def _read_handed_body(value: Any, info: ValidationInfo) -> Any:
    return () if value == "none" else _read_body(value, info)


_COMMON_READERS: Mapping[str, Callable[[Any], Any]] = {"name": read_node_name, "share": read_template}
_ARGUMENT_READERS: dict[str, TypeAdapter[Any]] = {
    **{kind: TypeAdapter(Numeric) for kind in ("int", "float", "bool")},
    "list": TypeAdapter(NumberList),
    "value": TypeAdapter(Reference),
    "block": TypeAdapter(Annotated[tuple[Any, ...], PlainValidator(_read_handed_body)]),
}
