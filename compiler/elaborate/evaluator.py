"""The evaluator finds the values of what is written in nodes: expressions, labels, lists, the fields of operations, and
arguments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from archspec.errors import Place
from archspec.ops import Conv, ConvTranspose, Linear, Op
from archspec.spec.blocks import Block
from archspec.spec.defaults import merge_defaults
from archspec.spec.expressions import Expression, ExpressionError, Lookup, Template, list_names, lookup_of
from archspec.spec.foreign import explain_value
from archspec.spec.layers import describe_values, overlay
from archspec.spec.marked import Written
from archspec.spec.messages import code_of, describe_problem
from compiler.elaborate.fixed_sizes import SizeReader
from compiler.elaborate.reporter import Calls, Reporter, SkipNode
from compiler.elaborate.scope import MaybeNode, Scope, Step


class Evaluator:
    """An evaluator gives what is written its values; what cannot have one is reported, and ends the work on its
    node."""

    def __init__(self, defaults: Mapping[str, Mapping[str, Any]], reporter: Reporter, sizes: SizeReader) -> None:
        self.defaults = _spread_weight_norm(defaults)
        self.reporter = reporter
        self.sizes = sizes
        self._ops: dict[tuple[type[Op], str], Op] = {}

    def build_op(
        self, step: Step, op: type[Op], given: Mapping[str, Any], renamed: Mapping[str, str] | None = None
    ) -> Op:
        """Build an operation with its fields' values: given, or from the spec's defaults, or its own. `renamed` are the
        fields that the spec spells otherwise."""
        fields = {**self.settings(op.kind, step.scope), **given}
        spelled = renamed or {}
        plain = {
            key: self._compute_field(step, op, key, written, spelled.get(key, key))
            if isinstance(written, (Expression, list))
            else written
            for key, written in fields.items()
        }
        cached = op, str(plain)  # as text, true is not 1, and a list can be a key
        if cached not in self._ops:
            self._ops[cached] = self._make_op(step, op, plain, spelled)
        return self._ops[cached]

    def _make_op(self, step: Step, op: type[Op], fields: Mapping[str, Any], spelled: Mapping[str, str]) -> Op:
        try:
            return op(**fields)
        except ValidationError as error:
            for detail in error.errors():
                key = spelled.get(str(detail["loc"][0]), str(detail["loc"][0])) if detail["loc"] else ""
                place = step.place(key) if key in step.node.model_fields_set else step.place()
                code = code if (code := code_of(detail)) in ("unknown-field", "missing-field") else "bad-value"
                message = describe_problem(detail, step.node.called, key, op.model_fields, tell(detail["input"]))
                self.reporter.report(code, message, place, step.calls)
            raise SkipNode from None

    def _compute_field(self, step: Step, op: type[Op], key: str, written: Any, spelled: str) -> Any:
        if isinstance(written, list):
            return [self._compute_field(step, op, key, item, spelled) for item in written]
        lookup = self._look_in(step, step.node, spelled)
        return self.compute(written, lookup, step.calls, step.node, spelled, takes=(op, key))

    def settings(self, kind: str, scope: Scope) -> Mapping[str, Any]:
        """Give the defaults for a kind of node: the spec's own before those of the block around."""
        own = self.defaults.get(kind, {})
        return overlay(scope.defaults[kind], own) if kind in scope.defaults else own

    def setting(self, step: Step, key: str) -> Any:
        """Give the field of a structure node, or the default for its kind."""
        if key in step.node.model_fields_set:
            return getattr(step.node, key)
        return self.settings(step.node.word, step.scope).get(key, getattr(step.node, key))

    def collect(self, step: Step, names: Iterable[str]) -> dict[str, Any]:
        """Give these fields of a structure node, as `setting` does, without those that have no value."""
        found = {name: self.setting(step, name) for name in names}
        return {name: written for name, written in found.items() if written is not None}

    def evaluate(self, step: Step, written: Any, *path: Any, of: Written | None = None) -> Any:
        """Evaluate an expression, or each entry of a list; what is neither is a value already. It is written at `path`
        in the step's node, or in what else it is `of`."""
        if isinstance(written, list):
            self.reporter.spend(len(written), of or step.node, step.calls, *path)
            return [self.evaluate(step, item, *path, of=of) for item in written]
        if not isinstance(written, Expression):
            return written
        source = of or step.node
        return self.compute(written, self._look_in(step, source, *path), step.calls, source, *path)

    def evaluate_whole(self, step: Step, written: Any, field: str, least: int | None = None) -> int:
        """Evaluate the field of a node that is a whole number, from `least` on where there is one."""
        value = self.evaluate(step, written, field)
        if not is_whole(value) or (least is not None and value < least):
            wanted = "a whole number" if least is None else f"a whole number from {least}"
            message = f"`{field}` should be {wanted}, found {tell(value)}"
            self.reporter.fail("bad-value", message, step.place(field), step.calls)
        return int(value)

    def compute(
        self,
        written: Any,
        lookup: Lookup,
        calls: Calls,
        of: Written,
        *path: Any,
        takes: tuple[type[Op], str] | None = None,
    ) -> Any:
        """Evaluate an expression that is written at `path` of something; what is none is a value already. `takes` is
        the operation's field that it is for."""
        if not isinstance(written, Expression):
            return written
        self.reporter.spend(written.cost, of, calls, *path)
        try:
            return written(lookup)
        except ExpressionError as error:
            hint = ""
            if error.code == "unknown-name" and not self.sizes.letters.isdisjoint(list_names(written)):
                hint = "; a block is handed a size of the network as an argument"
            elif takes and error.code == "unknown-name":
                hint = f"; the field takes {describe_values(*takes)}{explain_value(written.text)}"
            self.reporter.fail(error.code, f"{error}{hint}", of.place_of(*path), calls)

    def evaluate_columns(self, step: Step, each: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Evaluate the lists of a loop, which are of one length."""
        columns = {key: self.evaluate(step, written, "each", key) for key, written in each.items()}
        for key, column in columns.items():
            if not isinstance(column, list):
                message = f"`{key}` in `each` should be a list, found {tell(column)}"
                self.reporter.fail("wrong-type", message, step.place("each", key), step.calls)
        lengths = {key: len(column) for key, column in columns.items()}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{key} has {length}" for key, length in lengths.items())
            message = f"the lists of `each` should be of one length: {found}"
            self.reporter.fail("unequal-each", message, step.place("each"), step.calls)
        return columns

    def fill_label(self, step: Step, label: Template, field: str = "label") -> str:
        """Write the label of a tap, an output or weights in a field, with the values of the expressions in it."""
        return self._fill(label, self._look_in(step, step.node, field), step.calls, step.node, field)

    def list_given(self, block: Block, names: Mapping[str, Any], calls: Calls) -> Iterator[tuple[str, str, Place]]:
        """Give each name under which a block gives a value, the label of the value, and where that is written."""
        for i, (key, label) in enumerate(block.gives.items()):
            path = "gives", i if isinstance(block.written["gives"], list) else key
            yield key, self._fill(label, lookup_of(names), calls, block, *path), block.place_of(*path)

    def _fill(self, label: Template, lookup: Lookup, calls: Calls, of: Written, *path: Any) -> str:
        self.reporter.spend(label.cost, of, calls, *path)
        try:
            return label(lookup)
        except ExpressionError as error:
            self.reporter.fail(error.code, str(error), of.place_of(*path), calls)

    def convert(self, step: Step, key: str, kind: str, value: Any, *path: Any, of: Written | None = None) -> Any:
        """Convert the value of an argument to its declared type; nothing rounds. It is written as for `evaluate`."""
        if kind == "int" and is_whole(value):
            return int(value)
        if kind == "float" and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if (kind == "bool" and isinstance(value, bool)) or (kind == "list" and isinstance(value, list)):
            return value
        message = f"`{key}` of {step.node.called} should be of type {kind}, found {tell(value)}"
        self.reporter.fail("wrong-type", message, (of or step.node).place_of(*path), step.calls)

    def _look_in(self, step: Step, of: Written, *path: Any) -> Lookup:
        """Make a lookup in what a node sees, for an expression at a path in what was written."""
        lookup = self._look_up_names(step.scope, step.value)
        seen = not self.sizes.free.keys().isdisjoint(step.scope.names.keys())  # as they are not in a block
        return self.sizes.follow(lookup, of, *path) if seen else lookup

    def _look_up_names(self, scope: Scope, value: MaybeNode) -> Lookup:
        if value is not None:
            return lookup_of({"in_channels": value.shape.channels}, scope.names)
        known = lookup_of(scope.names, {"in_channels": 0})

        def look_up(name: str) -> Any:
            if name == "in_channels":
                raise SkipNode  # it follows from a mistake that has been reported
            return known(name)

        return look_up


def _spread_weight_norm(defaults: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """The defaults; where the network's normalization is that of weights, layers with a kernel have it by default."""
    if defaults.get("norm", {}).get("kind") != "weight":
        return defaults
    return merge_defaults({op.kind: {"weight_norm": True} for op in (Conv, ConvTranspose, Linear)}, defaults)


def is_whole(value: Any) -> bool:
    """Tell whether a value is a whole number, be it written as 2 or as 2.0; a boolean is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1


def tell(value: Any) -> str:
    """Write a value as a message shows it: a list up to its eighth entry, lists inside it as `[…]`."""
    if isinstance(value, list):
        items = [("[…]" if item else "[]") if isinstance(item, list) else tell(item) for item in value[:8]]
        return f"[{', '.join([*items, '…'] if len(value) > 8 else items)}]"
    return str(value).lower() if isinstance(value, bool) else f"{value}"
