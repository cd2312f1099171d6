"""Blocks: parametrised bodies with their arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    PrivateAttr,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from archspec.errors import Place
from archspec.ops import LAYERS
from archspec.spec.body import STRUCTURE, Body
from archspec.spec.defaults import Defaults, merge_defaults
from archspec.spec.definitions import Defined
from archspec.spec.expressions import Expression, ExpressionError, Template, is_name
from archspec.spec.marked import place_in
from archspec.spec.reading import ARGUMENT_TYPES, Argument, reading_of
from archspec.spec.values import MAX_NAMES, Numeric, Variable, read_reference


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
    if kind.strip() == "value":
        problem = "of type value has no default: a value is handed over by the name of its tap or input"
        raise PydanticCustomError("bad-argument", "{problem}", {"problem": problem})
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


def _read_gives(value: Any) -> Mapping[str, Template]:
    """Read `[f1, f2]`, taps by their own names, or `{low: f1, high: e.f2}`, by other ones."""
    if isinstance(value, list):
        value = {entry: entry for entry in value if isinstance(entry, str)} if _are_names(value) else None
    if not isinstance(value, dict) or not value:
        raise PydanticCustomError(
            "wrong-type", "should be a list of names of taps, each once, or a mapping of names to such"
        )
    if len(value) > MAX_NAMES:
        raise PydanticCustomError("too-large", "should have at most {most} names", {"most": MAX_NAMES})
    for name in value:
        if not is_name(str(name)):
            raise PydanticCustomError(
                "bad-name", "should give names of letters, digits and _, found '{name}'", {"name": str(name)[:40]}
            )
    return {name: read_reference(label) for name, label in value.items()}


def _are_names(value: list[Any]) -> bool:
    return all(isinstance(entry, str) for entry in value) and len(set(value)) == len(value)


def _read_network(value: Any) -> Any:
    """Read a spec's name in the zoo or path, or a document written out; the reader of files has looked it up."""
    if not isinstance(value, str | dict):
        raise PydanticCustomError("wrong-type", "should be the name of a spec in the zoo or beside this one")
    return value


def _read_block_name(value: Any) -> str:
    taken = value in LAYERS or value in STRUCTURE
    if taken or not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", value):
        problem = "is a word of the language already" if taken else "should be a name of letters, digits and _"
        raise PydanticCustomError("bad-name", "{problem}", {"problem": problem})
    return value


_WORD = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
ArgumentField: TypeAlias = Annotated[
    Argument,
    PlainValidator(_read_argument),
    WithJsonSchema({"type": "string", "pattern": f"^({'|'.join(ARGUMENT_TYPES)})( *=.*)?$"}),
]
Gives: TypeAlias = Annotated[
    Mapping[str, Template],
    PlainValidator(_read_gives),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
                {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
            ]
        }
    ),
]
Referred: TypeAlias = Annotated[
    Any, PlainValidator(_read_network), WithJsonSchema({"type": ["string", "object"], "minLength": 1})
]
BlockName: TypeAlias = Annotated[str, PlainValidator(_read_block_name), WithJsonSchema(_WORD)]


class Block(BaseModel):
    """A parametrised body, or another spec's network. It sees its arguments, the spec's params and `in_channels`.

    Its `defaults` hold where those of the compiled spec say nothing; in a network, that spec's own hold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    description: str | None = Field(None, description="A sentence for lists of blocks.")
    args: dict[Variable, ArgumentField] = Field(
        default_factory=dict, max_length=MAX_NAMES, description="Arguments: a type, or a type and a default."
    )
    let: dict[Variable, Numeric] = Field(
        default_factory=dict, max_length=MAX_NAMES, description="Expressions by name, each of them in turn."
    )
    defaults: Defaults = Field(default_factory=dict, description="Field defaults of its body, by node kind.")
    gives: Gives = Field(
        default_factory=dict, description="Taps of its body that a call with a `name` hands out, as `NAME.TAP`."
    )
    body: Body = Field((), description="The nodes that a call stands for.")
    network: Referred | None = Field(None, description="Another spec, whose nodes a call stands for instead.")
    params: dict[Variable, Defined] = Field(
        default_factory=dict, max_length=MAX_NAMES, description="Params of that spec, by values or expressions."
    )

    _written: Any = PrivateAttr(default=None)

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, value: Any, handler: ModelWrapValidatorHandler[Block], info: ValidationInfo) -> Block:
        reading = reading_of(info)
        with reading.inside(read_signature(value)):
            block = handler(value)
        block._check_kind()
        block._written = value
        for name, argument in block.args.items():
            taken = name in LAYERS or (name in STRUCTURE and not STRUCTURE[name].gives_way)
            if argument.type == "block" and taken:
                place = place_in(value, ("args", name), value.at, key=True)
                reading.report("bad-name", f"'{name}' is a word of the language already; rename the argument", place)
        return block

    def _check_kind(self) -> None:
        """Check that it is a body or a network, and has nothing that the other one has."""
        given = self.model_fields_set
        problem = None
        if not given & {"body", "network"}:
            raise PydanticCustomError("missing-field", "needs `body`, or the `network` of another spec")
        if "network" in given and given & {"body", "defaults"}:
            problem = "is a `network` of another spec, and has no `body` or `defaults` beside those of that spec"
        if "network" not in given and "params" in given:
            problem = "has `params`, which are those of a `network`; give a body `args`"
        if problem:
            raise PydanticCustomError("bad-block", "{problem}", {"problem": problem})

    @cached_property
    def written(self) -> Any:
        return self._written  # pydantic's private attributes are slow to get

    @cached_property
    def spec(self) -> Any:
        """The `Spec` whose network it is, or None of a body."""
        return None

    def with_spec(self, spec: Any) -> Block:
        """Make the block with the spec that `network` names."""
        return self.model_copy(update={"spec": spec})

    @property
    def signature(self) -> Mapping[str, Argument]:
        """The arguments of a call: those that it declares, and of a network the inputs behind the first."""
        return self.args if self.spec is None else {**self.args, **list_inputs(self.spec)}

    def place_of(self, *path: Any, key: bool = False) -> Place:
        return place_in(self.written, path, self.written.at, key=key)

    def within(self, defaults: Mapping[str, Any], written: Any) -> Block:
        """Make the block of a library with these defaults, also as written; its own go before them."""
        merged = self.written.copy_with(defaults=merge_defaults(written, self.written.get("defaults")))
        return self.model_copy(update={"defaults": merge_defaults(defaults, self.defaults), "written": merged})


def list_inputs(spec: Any) -> Mapping[str, Argument]:
    """The inputs of a spec behind the first, as arguments of a block."""
    return {name: Argument("value") for name in list(spec.inputs)[1:]}


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
