"""The names that hold in a whole spec: params, which a caller may set, and `let`, which follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, TypeAlias

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from archspec.bounds import MAX_WHOLE
from archspec.errors import Diagnostic, Place, SpecError
from archspec.spec.expressions import Expression, ExpressionError, list_names, lookup_of
from archspec.spec.marked import Table
from archspec.spec.values import MAX_ITEMS, parse_expression


class Definition(NamedTuple):
    """A name's value as it is read, with expressions in it, and as it is written, and where that stands."""

    value: Any
    written: Any
    place: Place


@dataclass(frozen=True)
class Definitions:
    """Names in the order in which they get their values: each may use those before it."""

    params: Mapping[str, Definition] = field(default_factory=dict)
    let: Mapping[str, Definition] = field(default_factory=dict)

    def with_params(self, params: Mapping[str, Definition]) -> Definitions:
        """Put others in the place of some params; what follows from them follows."""
        return Definitions({**self.params, **params}, self.let)

    def evaluate(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Give the values of the params and of `let`. Raises SpecError with what has none; what only follows from such
        a mistake is not told."""
        values: dict[str, Any] = {}
        mistakes: list[Diagnostic] = []
        wrong: set[str] = set()
        for name, definition in [*self.params.items(), *self.let.items()]:
            if wrong & list_names(definition.value):
                wrong.add(name)
                continue
            try:
                values[name] = check_value(_evaluate(definition.value, values))
            except ExpressionError as error:
                mistakes.append(Diagnostic(error.code, f"`{name}`: {error}", definition.place))
                wrong.add(name)
            except PydanticCustomError as error:
                mistakes.append(Diagnostic(error.type, f"`{name}` {error.message()}", definition.place))
                wrong.add(name)
        if mistakes:
            raise SpecError(mistakes)
        params = {name: values[name] for name in self.params}
        return MappingProxyType(params), MappingProxyType({name: values[name] for name in self.let})


def list_definitions(values: Mapping[str, Any], written: Table, key: str) -> Mapping[str, Definition]:
    """The definitions under a key of a document, by name."""
    return {name: Definition(value, written[key][name], written[key].values_at[name]) for name, value in values.items()}


def _evaluate(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_evaluate(item, values) for item in value]
    return value(lookup_of(values)) if isinstance(value, Expression) else value


def read_definition(value: Any) -> Any:
    """Read a number, a boolean or an expression, or a list of such."""
    if isinstance(value, str):
        return parse_expression(value)
    if isinstance(value, list) and len(value) <= MAX_ITEMS:
        return [read_definition(item) for item in value]
    return check_value(value)


def check_value(value: Any) -> Any:
    """Check that a value is a number, a boolean, or a list of such, and not too large."""
    if isinstance(value, list) and len(value) <= MAX_ITEMS:
        return [check_value(item) for item in value]
    if isinstance(value, bool | int | float) and abs(value) <= MAX_WHOLE:
        return value
    if isinstance(value, str):
        problem = "should be a value, found {text}, which is not computed here"
        raise PydanticCustomError("bad-param", f"{problem}: expressions stand in a spec", {"text": repr(value[:40])})
    raise PydanticCustomError(
        "bad-param",
        "should be a number up to {largest}, a boolean or a list of up to {most} such",
        {"largest": f"{MAX_WHOLE:,}", "most": f"{MAX_ITEMS:,}"},
    )


Defined: TypeAlias = Annotated[
    Any, PlainValidator(read_definition), WithJsonSchema({"type": ["number", "boolean", "string", "array"]})
]
