"""Spec → Graph: structure is unrolled, expressions get their values, shapes are inferred, and every mistake is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatchmethod
from typing import Any

from pydantic import ValidationError

from archspec.errors import Call, Diagnostic, Mistakes, Place, SpecError, suggest
from archspec.ops import Add, Concat, Crop, Input, Layer, Mul, Op, OpError, Scale, Shape, StochasticDepth
from archspec.ops.base import LARGEST
from archspec.spec.document import is_size
from archspec.spec.expressions import Expression, ExpressionError, Scope, Template, scope_of
from archspec.spec.load import Spec
from archspec.spec.messages import report_invalid
from archspec.spec.nodes import (
    Branching,
    Broken,
    CallNode,
    Dense,
    EncoderDecoder,
    Ext,
    From,
    LayerNode,
    Loop,
    Output,
    Repeat,
    Residual,
    Tap,
    When,
    node_of,
)
from archspec.spec.nodes import Node as Written
from archspec.spec.text import place_in
from compiler.graph import Graph, Node, Source
from compiler.sizes import accepted_sizes, fits
from compiler.verify import verify

MAX_NODES = 100_000
MAX_NESTING = 100
MAX_PATH = 1000
"""Characters of a node's id, which is its path."""
NODE = 16
"""The budget is kept in parts of a node: a part of an expression, or an entry of a list, takes one."""
MERGES: dict[str, type[Op]] = {"add": Add, "concat": Concat, "mul": Mul}

Value = Node | None
"""What flows between nodes; None after a mistake, so that one mistake is not reported as many."""


def elaborate(
    spec: Spec,
    sizes: Mapping[str, int] | None = None,
    *,
    max_nodes: int = MAX_NODES,
    extensions: Mapping[str, type[Layer]] | None = None,
) -> Graph:
    """Compile a spec for given values of its dynamic sizes (by default the spec's own).

    `max_nodes` bounds the nodes and loop turns that the spec may expand to; `extensions` are the operations that `ext`
    nodes may use, by name. Raises SpecError with every independent mistake, those of reading the spec included.
    """
    chosen, mistakes = _choose_sizes(spec, sizes or {})
    if not mistakes:
        run = _Elaboration(spec, chosen, max_nodes, extensions or {})
        graph = run.build()
        mistakes = run.mistakes
        if graph is not None and not mistakes and not spec.mistakes:
            return verify(graph)
        if mistakes and run.misfits == len(mistakes):
            mistakes = _with_fitting_sizes(spec, chosen, mistakes, extensions or {})
    raise SpecError([*spec.mistakes, *mistakes])


def _choose_sizes(spec: Spec, given: Mapping[str, int]) -> tuple[dict[str, int], list[Diagnostic]]:
    needed: dict[str, tuple[str, int]] = {}
    for name, shape in spec.inputs.items():
        for i, entry in enumerate(shape):
            if is_size(entry):
                needed.setdefault(entry, (name, i))
    mistakes = []
    for name, value in given.items():
        place = Place(f"--size {name}")
        if name not in needed:
            listing = f"; there is {', '.join(needed)}" if needed else "; it has none"
            mistakes.append(Diagnostic("unknown-size", f"the inputs have no dynamic size '{name}'{listing}", place))
        elif type(value) is not int or not 1 <= value <= LARGEST:
            mistakes.append(Diagnostic("bad-size", f"a size should be a whole number from 1, found {value}", place))
    wanted = {**spec.sizes, **given}
    for name, (input_name, i) in needed.items():
        if name not in wanted:
            message = (
                f"the size {name} of the input '{input_name}' has no value; give it in `sizes` or as --size {name}=…"
            )
            place = place_in(spec.written, ("inputs", input_name, i), spec.written.at)
            mistakes.append(Diagnostic("missing-size", message, place))
    for name in spec.sizes:
        if name not in needed:
            place = place_in(spec.written, ("sizes", name), spec.written.at, key=True)
            mistakes.append(Diagnostic("unknown-size", f"no input has a size '{name}'", place))
    return {name: wanted[name] for name in needed if name in wanted}, mistakes


def _with_fitting_sizes(
    spec: Spec, sizes: Mapping[str, int], mistakes: list[Diagnostic], extensions: Mapping[str, type[Layer]]
) -> list[Diagnostic]:
    """Add to mistakes of shape the sizes that would fit, where there are some near the wanted ones."""
    largest, effort = max(sizes.values(), default=0), 0
    if not sizes:
        return mistakes
    for distance in range(1, 129):
        for size in (largest - distance, largest + distance):
            if size < 1 or effort > MAX_NODES:
                continue
            run = _Elaboration(spec, dict.fromkeys(sizes, size), MAX_NODES, extensions)
            graph = run.build()
            effort += run.spent // NODE
            if graph is None or run.mistakes:
                continue
            rules = accepted_sizes(graph, keep_weights=False)
            whole = {name: -(-size // rule.step) * rule.step for name, rule in rules.items() if rule.dynamic}
            if fits(graph, whole, keep_weights=False):  # prefer sizes of which no stride loses a pixel
                rules = accepted_sizes(graph.resize(whole), keep_weights=False)
            wrong = {name: rules[name] for name, value in sizes.items() if value not in rules[name]}
            hints = [f"{name} accepts {rule}; nearest: {rule.nearest(sizes[name])}" for name, rule in wrong.items()]
            hint = f" ({', '.join(hints)})" if hints else ""
            return [replace(mistake, message=mistake.message + hint) for mistake in mistakes]
    return mistakes


@dataclass(frozen=True)
class _Handed:
    """A body that was handed to a block, with the surroundings in which it was written."""

    body: tuple[Any, ...]
    around: _Around


@dataclass(frozen=True)
class _Around:
    """What a node sees: names, taps, handed bodies; and where it stands."""

    names: Mapping[str, Any]
    taps: dict[str, Value]
    bodies: Mapping[str, _Handed] = field(default_factory=dict)
    path: str = ""
    calls: tuple[Call, ...] = ()
    depth: int = 0

    def inside(self, name: str, /, **names: Any) -> _Around:
        """One level further in, with more names in scope."""
        more = {**self.names, **names} if names else self.names
        return _Around(more, self.taps, self.bodies, self.join(name), self.calls, self.depth + 1)

    def join(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


class _Mistake(Exception):  # noqa: N818  (it carries nothing)
    """Ends the work on one node; what follows gets no value."""


class _Elaboration:
    """One walk through a spec."""

    def __init__(
        self, spec: Spec, sizes: Mapping[str, int], max_nodes: int, extensions: Mapping[str, type[Layer]]
    ) -> None:
        self.spec = spec
        self.sizes = sizes
        self.max_nodes = max_nodes
        self.extensions = extensions
        self.nodes: dict[str, Node] = {}
        self.outputs: dict[str, str] = {}
        self.mistakes: list[Diagnostic] = Mistakes()
        self.misfits = 0
        """How many of the mistakes are of shapes."""
        self.spent = 0
        """What the spec has taken of its budget, in parts of a node."""
        self.incomplete = False
        """Whether some node was left out because of a mistake, so that a missing tap need not be one."""
        self._reported: set[tuple[str, Place]] = set()
        self._ops: dict[Any, Op] = {}

    def build(self) -> Graph | None:
        try:
            inputs = {name: self._input(name, entries) for name, entries in self.spec.inputs.items()}
            first = next(iter(inputs.values()))
            last = self._run(self.spec.network, first, _Around(self.spec.params, dict(inputs)))
        except SpecError as stop:  # a bound was reached: nothing after it means anything
            self.mistakes = [*self.mistakes, *stop.diagnostics]
            return None
        if not self.outputs and last is not None:
            self.outputs["output"] = last.id
        if self.mistakes or not self.outputs:
            return None
        return Graph(self.spec.name, self.nodes, self.outputs, dict(self.sizes))

    def _input(self, name: str, entries: tuple[Any, ...]) -> Value:
        place = place_in(self.spec.written, ("inputs", name), self.spec.written.at, key=True)
        try:
            op = Input(dims=tuple(self._extent(name, i, entry) for i, entry in enumerate(entries)))
            return self._keep(Node(name, op, (), op.infer(**self.sizes), Source(place)))
        except _Mistake:
            return None

    def _extent(self, name: str, i: int, entry: Any) -> int | str:
        if is_size(entry):
            return str(entry)
        place = place_in(self.spec.written, ("inputs", name, i), self.spec.written.at)
        value = self._compute(entry, scope_of(self.spec.params), place, None)
        if not _is_whole(value) or not 1 <= value <= LARGEST:
            message = f"an extent of the input '{name}' should be a whole number from 1, found {_shown(value)}"
            self._fail("bad-shape", message, place)
        return int(value)

    def _run(self, body: tuple[Any, ...], value: Value, around: _Around) -> Value:
        """Send a value through a body."""
        ordinals: dict[str, int] = {}
        taken = set() if around.path else set(self.spec.inputs)
        for node in body:
            name = node.name
            if name is None:
                ordinals[node.kind] = ordinal = ordinals.get(node.kind, -1) + 1
                name = f"{node.kind}_{ordinal}"
            if isinstance(node, Broken):
                self.incomplete, value = True, None
                continue
            self._spend(NODE, node.place, around)
            if around.depth > MAX_NESTING or len(around.path) > MAX_PATH:
                message = f"nodes nest at most {MAX_NESTING} levels deep, with at most {MAX_PATH:,} characters of names"
                raise SpecError([Diagnostic("too-deep", message, node.place, around.calls)])
            try:
                if name in taken:
                    self._fail(
                        "duplicate-name",
                        f"another node of this body, or an input, is called '{name}'",
                        node.place_of("name"),
                        around,
                    )
                taken.add(name)
                value = _dispatch(type(node))(self, node, value, name, around)
            except _Mistake:
                self.incomplete, value = True, None
        return value

    @singledispatchmethod
    def _step(self, node: Written, value: Value, name: str, around: _Around) -> Value:
        raise AssertionError(f"no step for {type(node).__name__}")

    @_step.register
    def _layer(self, node: LayerNode, value: Value, name: str, around: _Around) -> Value:
        op = self._op(node.op, node.given, node, value, around)
        return self._apply(op, [value], around.join(name), node, around)

    @_step.register
    def _extension(self, node: Ext, value: Value, name: str, around: _Around) -> Value:
        if node.use not in self.extensions:
            allowed = f"; allowed are {', '.join(self.extensions)}" if self.extensions else ""
            self._fail(
                "extension",
                f"the caller did not allow the extension '{node.use}'{allowed}",
                node.place_of("use"),
                around,
            )
        model = node_of(self.extensions[node.use])
        try:
            given = model.model_validate(node.model_extra).given
        except ValidationError as error:
            found: list[Diagnostic] = []
            report_invalid(error, model, f"the extension {node.use}", node.written, node.place, node.place, found)
            for mistake in found:
                self._report(mistake.code, mistake.message, mistake.place, around)
            raise _Mistake from None
        op = self._op(self.extensions[node.use], given, node, value, around)
        return self._apply(op, [value], around.join(name), node, around)

    @_step.register
    def _residual(self, node: Residual, value: Value, name: str, around: _Around) -> Value:
        inside = around.inside(name)
        result = self._run(node.body, value, inside.inside("body"))
        scale, survival = self._setting(node, "scale"), self._setting(node, "survival")
        if scale is not None:
            op = self._op(Scale, {"value": scale}, node, value, around, renamed={"value": "scale"})
            result = self._apply(op, [result], inside.join("scale"), node, around)
        if survival is not None:
            op = self._op(StochasticDepth, {"survival": survival}, node, value, around)
            result = self._apply(op, [result], inside.join("survival"), node, around)
        if value is None or result is None:
            return None
        shortcut, kind = value, "its input"
        for word, body in (("shortcut", node.shortcut), ("project", node.project)):
            if body is not None and (word == "shortcut" or result.shape != value.shape):
                kind = "its shortcut" if word == "shortcut" else "its projection"
                channels = result.shape.channels
                projected = self._run(body, value, inside.inside(word, out_channels=channels))
                if projected is None:
                    return None
                shortcut = projected
        if shortcut.shape != result.shape:
            remedy = "; give `project` or `shortcut`" if kind == "its input" else ""
            message = f"residual adds its body, {result.shape}, to {kind}, {shortcut.shape}{remedy}"
            self._misfit(message, node.place, around)
        return self._apply(Add(), [shortcut, result], inside.join("add"), node, around, body=inside.path)

    @_step.register
    def _repeat(self, node: Repeat, value: Value, name: str, around: _Around) -> Value:
        for turn in self._turns(node, value, around.inside(name)):
            value = self._run(node.body, value, turn)
        return value

    @_step.register
    def _dense(self, node: Dense, value: Value, name: str, around: _Around) -> Value:
        for turn in self._turns(node, value, around.inside(name)):
            result = self._run(node.body, value, turn.inside("body"))
            value = self._apply(Concat(), [value, result], turn.join("concat"), node, around, body=turn.path)
        return value

    @_step.register
    def _branches(self, node: Branching, value: Value, name: str, around: _Around) -> Value:
        inside = around.inside(name)
        values = [self._run(branch, value, inside.inside(f"branch{i}")) for i, branch in enumerate(node.branches)]
        return self._merge(node.word, values, self._setting(node, "fit"), inside, node, around)

    @_step.register
    def _encoder_decoder(self, node: EncoderDecoder, value: Value, name: str, around: _Around) -> Value:
        inside = around.inside(name)
        turns = list(self._turns(node, value, inside))
        skips = []
        for turn in turns:
            value = self._run(node.encoder, value, turn.inside("encoder"))
            skips.append(self._run(node.skip, value, turn.inside("skip")))
            value = self._run(node.down, value, turn.inside("down"))
        value = self._run(node.bottom, value, inside.inside("bottom"))
        for turn, skip in zip(reversed(turns), reversed(skips), strict=True):
            value = self._run(node.up, value, turn.inside("up"))
            word, fit = self._setting(node, "merge"), self._setting(node, "fit")
            value = self._merge(word, [skip, value], fit, turn.inside("merge"), node, around)
            value = self._run(node.decoder, value, turn.inside("decoder"))
        return value

    @_step.register
    def _when(self, node: When, value: Value, name: str, around: _Around) -> Value:
        test = self._evaluate(node.test, around, value, node.place_of("test"))
        if isinstance(test, list):
            self._fail(
                "bad-value", "`test` of when should be true or false, found a list", node.place_of("test"), around
            )
        return self._run(node.then if test else node.else_, value, around.inside(name))

    @_step.register
    def _tap(self, node: Tap, value: Value, name: str, around: _Around) -> Value:
        around.taps[self._label(node.label, around, value, node)] = value
        return value

    @_step.register
    def _from(self, node: From, value: Value, name: str, around: _Around) -> Value:
        label = self._label(node.label, around, value, node)
        if label not in around.taps:
            if self.incomplete:
                raise _Mistake
            known = f"; known here: {', '.join(around.taps)}" if around.taps else "; none is known here"
            message = f"unknown tap '{label}'{suggest(label, around.taps) or known}"
            self._fail("unknown-tap", message, node.place_of("label"), around)
        return around.taps[label]

    @_step.register
    def _output(self, node: Output, value: Value, name: str, around: _Around) -> Value:
        label = self._label(node.label, around, value, node)
        if label in self.outputs or label in self.spec.inputs:
            other = "output" if label in self.outputs else "input"
            self._fail(
                "duplicate-output", f"there is an {other} called '{label}' already", node.place_of("label"), around
            )
        if value is not None:
            self.outputs[label] = value.id
        return value

    @_step.register
    def _call(self, node: CallNode, value: Value, name: str, around: _Around) -> Value:
        if node.block in around.bodies:
            handed = around.bodies[node.block]
            here = replace(handed.around, path=around.join(name), depth=around.depth + 1)
            return self._run(handed.body, value, here)
        block = self.spec.blocks[node.block]
        names = dict(self.spec.params)
        given: dict[str, Any] = {}
        bodies: dict[str, _Handed] = {}
        for key, argument in block.args.items():
            written = node.arguments.get(key)
            if argument.type == "block":
                bodies[key] = _Handed(written or (), around)
                continue
            place = node.place_of(key)
            if key in node.arguments:
                result = self._evaluate(written, around, value, place)
            else:
                result = self._evaluate(
                    argument.default, replace(around, names=names), value, block.place_of("args", key)
                )
            given[key] = names[key] = self._typed(key, argument.type, result, node, place, around)
        text = f"{node.block}({', '.join(f'{key}={_shown(item)}' for key, item in given.items())})"
        calls = (Call(text, node.place), *around.calls)
        inside = _Around(names, {}, bodies, around.join(name), calls, around.depth + 1)
        for key, expression in block.let.items():
            names[key] = self._evaluate(expression, inside, value, block.place_of("let", key))
        return self._run(block.body, value, inside)

    def _typed(self, key: str, kind: str, value: Any, node: CallNode, place: Place, around: _Around) -> Any:
        """An argument's value in its declared type; nothing rounds."""
        if kind == "int" and _is_whole(value):
            return int(value)
        if kind == "float" and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if (kind == "bool" and isinstance(value, bool)) or (kind == "list" and isinstance(value, list)):
            return value
        message = f"`{key}` of {node.block} should be of type {kind}, found {_shown(value)}"
        return self._fail("wrong-type", message, place, around)

    def _turns(self, node: Loop, value: Value, around: _Around) -> Iterator[_Around]:
        """The surroundings of each turn of a loop."""
        columns: dict[str, list[Any]] = {}
        if node.each is not None:
            for key, written in node.each.items():
                column = self._evaluate_list(written, around, value, node.place_of("each", key))
                if not isinstance(column, list):
                    self._fail(
                        "wrong-type",
                        f"`{key}` in `each` should be a list, found {_shown(column)}",
                        node.place_of("each", key),
                        around,
                    )
                columns[key] = column
            lengths = {key: len(column) for key, column in columns.items()}
            if len(set(lengths.values())) > 1:
                found = ", ".join(f"{key} has {length}" for key, length in lengths.items())
                self._fail(
                    "unequal-each",
                    f"the lists of `each` should be of one length: {found}",
                    node.place_of("each"),
                    around,
                )
            count: Any = next(iter(lengths.values()))
        else:
            count = self._evaluate(node.n, around, value, node.place_of("n"))
            if not _is_whole(count) or count < 0:
                self._fail(
                    "bad-value",
                    f"`n` should be a whole number from 0, found {_shown(count)}",
                    node.place_of("n"),
                    around,
                )
        self._spend(int(count) * NODE, node.place_of("n" if node.each is None else "each"), around)
        for i in range(int(count)):
            row = {key: column[i] for key, column in columns.items()}
            yield around.inside(f"{node.as_}{i}", **{node.as_: i}, **row)

    def _merge(
        self, word: str, values: list[Value], fit: Any, inside: _Around, node: Written, around: _Around
    ) -> Value:
        operands = [value for value in values if value is not None]
        if len(operands) < len(values):
            return None
        if len(operands) == 1:
            return operands[0]
        spaces = {operand.shape.space for operand in operands}
        if fit == "crop" and len({len(space) for space in spaces}) == 1 and len(spaces) > 1:
            operands = self._crop(operands, inside, node, around)
        return self._apply(MERGES[word](), list(operands), inside.join(word), node, around)

    def _crop(self, operands: list[Node], inside: _Around, node: Written, around: _Around) -> list[Node]:
        """Cut the larger operands down to the smallest extents; they read the extents of those that set them."""
        smallest = tuple(map(min, zip(*(operand.shape.space for operand in operands), strict=True)))
        models = [operand for operand in operands if operand.shape.space == smallest][:1] or operands
        cut = []
        for i, operand in enumerate(operands):
            if operand.shape.space != smallest:
                operand = self._apply(Crop(), [operand, *models], inside.join(f"crop{i}"), node, around) or operand
            cut.append(operand)
        return cut

    def _apply(
        self, op: Op, values: list[Value], id: str, node: Written, around: _Around, body: str | None = None
    ) -> Value:
        operands = [value for value in values if value is not None]
        if len(operands) < len(values):
            return None
        try:
            shape: Shape = op.infer(*(operand.shape for operand in operands))
        except OpError as error:
            self._misfit(str(error), node.place_of(error.field) if error.field else node.place, around)
        return self._keep(
            Node(id, op, tuple(operand.id for operand in operands), shape, Source(node.place, around.calls), body)
        )

    def _keep(self, node: Node) -> Node:
        assert node.id not in self.nodes, node.id
        self.nodes[node.id] = node
        return node

    def _op(
        self,
        op: type[Op],
        given: Mapping[str, Any],
        node: Written,
        value: Value,
        around: _Around,
        renamed: Mapping[str, str] | None = None,
    ) -> Op:
        """The operation with its fields' values: given, or from the spec's defaults, or its own."""
        fields = {**self.spec.defaults.get(op.kind, {}), **given}
        spelled = renamed or {}
        plain = {
            key: self._evaluate(written, around, value, node.place_of(spelled.get(key, key)))
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
                    self._report(*_field_problem(node.kind, key, detail), place, around)
                raise _Mistake from None
        return self._ops[cached]

    def _setting(self, node: Written, key: str) -> Any:
        """A structure node's field, or the spec's default for its kind."""
        if key in node.model_fields_set:
            return getattr(node, key)
        return self.spec.defaults.get(node.kind, {}).get(key, getattr(node, key))

    def _evaluate(self, written: Any, around: _Around, value: Value, place: Place) -> Any:
        if isinstance(written, list):
            return self._evaluate_list(written, around, value, place)
        if not isinstance(written, Expression):
            return written
        return self._compute(written, self._scope(around, value), place, around)

    def _compute(self, written: Any, scope: Scope, place: Place, around: _Around | None) -> Any:
        """The value of an expression, or what is one already."""
        if not isinstance(written, Expression):
            return written
        self._spend(written.cost, place, around)
        try:
            return written(scope)
        except ExpressionError as error:
            return self._fail(error.code, str(error), place, around)

    def _evaluate_list(self, written: Any, around: _Around, value: Value, place: Place) -> Any:
        if not isinstance(written, list):
            return self._evaluate(written, around, value, place)
        self._spend(len(written), place, around)
        return [self._evaluate(item, around, value, place) for item in written]

    def _label(self, label: Template, around: _Around, value: Value, node: Written) -> str:
        self._spend(label.cost, node.place, around)
        try:
            return label(self._scope(around, value))
        except ExpressionError as error:
            self._fail(error.code, str(error), node.place_of("label"), around)
        raise AssertionError

    def _scope(self, around: _Around, value: Value) -> Scope:
        if value is not None:
            return scope_of({"in_channels": value.shape.channels}, around.names)
        known = scope_of(around.names, {"in_channels": 0})

        def look_up(name: str) -> Any:
            if name == "in_channels":
                raise _Mistake  # it follows from a mistake that has been reported
            return known(name)

        return look_up

    def _spend(self, parts: int, place: Place, around: _Around | None) -> None:
        self.spent += parts
        if self.spent > self.max_nodes * NODE:
            message = f"the spec expands to more than {self.max_nodes:,} nodes; --max-nodes raises the bound"
            raise SpecError([Diagnostic("too-many-nodes", message, place, around.calls if around else ())])

    def _misfit(self, message: str, place: Place, around: _Around) -> None:
        self.misfits += ("shape-mismatch", place) not in self._reported
        self._fail("shape-mismatch", message, place, around)

    def _fail(self, code: str, message: str, place: Place, around: _Around | None = None) -> Any:
        self._report(code, message, place, around)
        raise _Mistake

    def _report(self, code: str, message: str, place: Place, around: _Around | None) -> None:
        if (code, place) not in self._reported:  # a loop's later turns say the same again
            self._reported.add((code, place))
            self.mistakes.append(Diagnostic(code, message, place, around.calls if around else ()))


_dispatch = vars(_Elaboration)["_step"].dispatcher.dispatch
"""By a node's type; asking the singledispatchmethod itself makes a new function each time."""


def _field_problem(kind: str, key: str, detail: Any) -> tuple[str, str]:
    if detail["type"] == "missing":
        return "missing-field", f"{kind} needs `{key}`"
    if detail["type"] == "extra_forbidden":
        return "unknown-field", f"unknown field '{key}' of {kind}"
    text = detail["msg"].removeprefix("Value error, ").replace("Input should be", "should be").replace("valid ", "")
    found = "" if "found" in text else f", found {_shown(detail['input'])}"
    return "bad-value", f"`{key}` of {kind} {text}{found}"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1


def _shown(value: Any) -> str:
    if isinstance(value, list):
        shown = [("[…]" if item else "[]") if isinstance(item, list) else _shown(item) for item in value[:8]]
        return f"[{', '.join([*shown, '…'] if len(value) > 8 else shown)}]"
    return str(value).lower() if isinstance(value, bool) else f"{value}"


__all__ = ["MAX_NODES", "elaborate"]
