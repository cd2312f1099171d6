"""What nodes see, and the values of what is written in them; every mistake is kept, and the budget of nodes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from archspec.errors import Call, Diagnostic, Mistakes, Place, SpecError
from archspec.ops import Op
from archspec.spec.expressions import Expression, ExpressionError, Scope, Template, scope_of
from archspec.spec.layers import Node as Written
from archspec.spec.layers import describe_values, overlay
from compiler.graph import Node

NODE = 16
"""The budget is kept in parts of a node: a part of an expression, or an entry of a list, takes one."""

Value = Node | None
"""What flows between nodes; None after a mistake, so that one mistake is not reported as many."""


@dataclass(frozen=True)
class Handed:
    """A body that was handed to a block, with the surroundings in which it was written."""

    body: tuple[Any, ...]
    around: Around


@dataclass(frozen=True)
class Around:
    """What a node sees: names, taps, handed bodies; and where it stands."""

    names: Mapping[str, Any]
    taps: dict[str, Value]
    bodies: Mapping[str, Handed] = field(default_factory=dict)
    path: str = ""
    calls: tuple[Call, ...] = ()
    depth: int = 0
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Those of the block; the spec's go before them."""
    fixup: list[str] | None = None
    """In a body that starts as FixUp says, the ids of its layers with a kernel so far."""

    def inside(self, name: str, /, **names: Any) -> Around:
        """One level further in, with more names in scope."""
        more = {**self.names, **names} if names else self.names
        path, depth = self.join(name), self.depth + 1
        return Around(more, self.taps, self.bodies, path, self.calls, depth, self.defaults, self.fixup)

    def join(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


class Mistake(Exception):  # noqa: N818  (it carries nothing)
    """Ends the work on one node; what follows gets no value."""


class Evaluation:
    """Gives expressions, labels, fields and arguments their values, and keeps the mistakes that come to light."""

    def __init__(self, defaults: Mapping[str, Mapping[str, Any]], max_nodes: int) -> None:
        self.defaults = defaults
        self.max_nodes = max_nodes
        self.mistakes: list[Diagnostic] = Mistakes()
        self.misfits = 0
        """How many of the mistakes are of shapes."""
        self.spent = 0
        """What the spec has taken of its budget, in parts of a node."""
        self._reported: set[tuple[str, Place]] = set()
        self._ops: dict[Any, Op] = {}

    def build_op(
        self,
        op: type[Op],
        given: Mapping[str, Any],
        node: Written,
        value: Value,
        around: Around,
        renamed: Mapping[str, str] | None = None,
    ) -> Op:
        """The operation with its fields' values: given, or from the spec's defaults, or its own."""
        fields = {**self.settings(op.kind, around), **given}
        spelled = renamed or {}
        plain = {
            key: self.compute(
                written, self._scope(around, value), node.place_of(spelled.get(key, key)), around, field=(op, key)
            )
            if isinstance(written, Expression)
            else written
            for key, written in fields.items()
        }
        cached = (op, str(plain))  # as text, true is not 1
        if cached not in self._ops:
            try:
                self._ops[cached] = op(**plain)
            except ValidationError as error:
                for detail in error.errors():
                    key = spelled.get(str(detail["loc"][0]), str(detail["loc"][0])) if detail["loc"] else ""
                    place = node.place_of(key) if key in node.model_fields_set else node.place
                    self.report(*_field_problem(node.called, key, detail), place, around)
                raise Mistake from None
        return self._ops[cached]

    def settings(self, kind: str, around: Around) -> Mapping[str, Any]:
        """The defaults for a kind of node: the spec's own before those of the block around."""
        own = self.defaults.get(kind, {})
        return overlay(around.defaults[kind], own) if kind in around.defaults else own

    def setting(self, node: Written, key: str, around: Around) -> Any:
        """A structure node's field, or the default for its kind."""
        if key in node.model_fields_set:
            return getattr(node, key)
        return self.settings(node.word, around).get(key, getattr(node, key))

    def evaluate(self, written: Any, around: Around, value: Value, place: Place) -> Any:
        if isinstance(written, list):
            return self.evaluate_list(written, around, value, place)
        if not isinstance(written, Expression):
            return written
        return self.compute(written, self._scope(around, value), place, around)

    def compute(
        self,
        written: Any,
        scope: Scope,
        place: Place,
        around: Around | None,
        field: tuple[type[Op], str] | None = None,
    ) -> Any:
        """The value of an expression, for a field of an operation or something else, or what is one already."""
        if not isinstance(written, Expression):
            return written
        self.spend(written.cost, place, around)
        try:
            return written(scope)
        except ExpressionError as error:
            takes = f"; the field takes {describe_values(*field)}" if field and error.code == "unknown-name" else ""
            return self.fail(error.code, f"{error}{takes}", place, around)

    def evaluate_list(self, written: Any, around: Around, value: Value, place: Place) -> Any:
        if not isinstance(written, list):
            return self.evaluate(written, around, value, place)
        self.spend(len(written), place, around)
        return [self.evaluate(item, around, value, place) for item in written]

    def evaluate_columns(
        self, each: Mapping[str, Any], node: Written, around: Around, value: Value
    ) -> dict[str, list[Any]]:
        """The lists of a loop, which are of one length."""
        columns = {
            key: self.evaluate_list(written, around, value, node.place_of("each", key)) for key, written in each.items()
        }
        for key, column in columns.items():
            if not isinstance(column, list):
                message = f"`{key}` in `each` should be a list, found {shown(column)}"
                self.fail("wrong-type", message, node.place_of("each", key), around)
        lengths = {key: len(column) for key, column in columns.items()}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{key} has {length}" for key, length in lengths.items())
            message = f"the lists of `each` should be of one length: {found}"
            self.fail("unequal-each", message, node.place_of("each"), around)
        return columns

    def label(self, label: Template, around: Around, value: Value, node: Written) -> str:
        self.spend(label.cost, node.place, around)
        try:
            return label(self._scope(around, value))
        except ExpressionError as error:
            self.fail(error.code, str(error), node.place_of("label"), around)
        raise AssertionError

    def _scope(self, around: Around, value: Value) -> Scope:
        if value is not None:
            return scope_of({"in_channels": value.shape.channels}, around.names)
        known = scope_of(around.names, {"in_channels": 0})

        def look_up(name: str) -> Any:
            if name == "in_channels":
                raise Mistake  # it follows from a mistake that has been reported
            return known(name)

        return look_up

    def spend(self, parts: int, place: Place, around: Around | None) -> None:
        self.spent += parts
        if self.spent > self.max_nodes * NODE:
            message = f"the spec expands to more than {self.max_nodes:,} nodes; --max-nodes raises the bound"
            raise SpecError([Diagnostic("too-many-nodes", message, place, around.calls if around else ())])

    def misfit(self, message: str, place: Place, around: Around) -> None:
        self.misfits += ("shape-mismatch", place) not in self._reported
        self.fail("shape-mismatch", message, place, around)

    def fail(self, code: str, message: str, place: Place, around: Around | None = None) -> Any:
        self.report(code, message, place, around)
        raise Mistake

    def report(self, code: str, message: str, place: Place, around: Around | None) -> None:
        if (code, place) not in self._reported:  # a loop's later turns say the same again
            self._reported.add((code, place))
            self.mistakes.append(Diagnostic(code, message, place, around.calls if around else ()))

    def convert(self, key: str, kind: str, value: Any, node: Written, place: Place, around: Around) -> Any:
        """An argument's value in its declared type; nothing rounds."""
        if kind == "int" and is_whole(value):
            return int(value)
        if kind == "float" and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if (kind == "bool" and isinstance(value, bool)) or (kind == "list" and isinstance(value, list)):
            return value
        message = f"`{key}` of {node.called} should be of type {kind}, found {shown(value)}"
        return self.fail("wrong-type", message, place, around)


def _field_problem(kind: str, key: str, detail: Any) -> tuple[str, str]:
    if detail["type"] == "missing":
        return "missing-field", f"{kind} needs `{key}`"
    if detail["type"] == "extra_forbidden":
        return "unknown-field", f"unknown field '{key}' of {kind}"
    text = detail["msg"].removeprefix("Value error, ").replace("Input should be", "should be").replace("valid ", "")
    found = "" if "found" in text else f", found {shown(detail['input'])}"
    return "bad-value", f"`{key}` of {kind} {text}{found}"


def is_whole(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1


def shown(value: Any) -> str:
    if isinstance(value, list):
        items = [("[…]" if item else "[]") if isinstance(item, list) else shown(item) for item in value[:8]]
        return f"[{', '.join([*items, '…'] if len(value) > 8 else items)}]"
    return str(value).lower() if isinstance(value, bool) else f"{value}"
