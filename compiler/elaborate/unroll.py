"""The walk through a spec: structure is unrolled into nodes, each with its shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import singledispatchmethod
from math import sqrt
from typing import Any

from pydantic import ValidationError

from archspec.errors import Call, Diagnostic, SpecError, suggest
from archspec.ops import (
    NORMALIZATIONS,
    Add,
    Concat,
    Input,
    Layer,
    Normalization,
    Scale,
)
from archspec.ops.fields import LARGEST
from archspec.spec.document import is_size
from archspec.spec.expressions import scope_of
from archspec.spec.layers import USUAL_NORM, Broken, Choice, LayerNode, node_of, overlay
from archspec.spec.layers import Node as Written
from archspec.spec.load import Spec
from archspec.spec.messages import report_invalid
from archspec.spec.nodes import (
    Branching,
    CallNode,
    Dense,
    EncoderDecoder,
    Ext,
    From,
    Output,
    Repeat,
    Residual,
    Tap,
    Turns,
    When,
)
from archspec.spec.suggestions import suggest_field
from archspec.spec.text import place_in
from compiler.elaborate.placing import MERGES, Building
from compiler.elaborate.values import NODE, Around, Handed, Mistake, Value, is_whole, shown
from compiler.graph import Graph, Node, Source
from compiler.sizes.shapes_by_size import ShapesBySize

MAX_NESTING = 100
MAX_PATH = 1000
"""Characters of a node's id, which is its path."""


class Unrolling(Building):
    """One walk through a spec."""

    def __init__(
        self,
        spec: Spec,
        sizes: Mapping[str, int],
        max_nodes: int,
        extensions: Mapping[str, type[Layer]],
        residuals: int | None = None,
    ) -> None:
        super().__init__(spec.defaults, max_nodes, residuals)
        self.spec = spec
        self.sizes = sizes
        self.extensions = extensions
        self.outputs: dict[str, str] = {}
        self._shapes = ShapesBySize(sizes)
        """Of the nodes so far, as far as they were asked for."""
        self._labels: set[str] = set()
        """The outputs' names, also of those that have no value because of a mistake."""
        self.incomplete = False
        """Whether some node was left out because of a mistake, so that a missing tap need not be one."""
        self._tapped: dict[str, tuple[Call, ...]] = {}
        """Every tap that was set so far, and the block calls that led to it."""

    def build(self) -> Graph | None:
        try:
            inputs = {name: self._input(name, entries) for name, entries in self.spec.inputs.items()}
            first = next(iter(inputs.values()))
            last = self._run(self.spec.network, first, Around(self.spec.params, dict(inputs)))
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
            return self.keep(Node(name, op, (), op.infer(**self.sizes), Source(place)))
        except Mistake:
            return None

    def _extent(self, name: str, i: int, entry: Any) -> int | str:
        if is_size(entry):
            return str(entry)
        place = place_in(self.spec.written, ("inputs", name, i), self.spec.written.at)
        value = self.compute(entry, scope_of(self.spec.params), place, None)
        if not is_whole(value) or not 1 <= value <= LARGEST:
            message = f"an extent of the input '{name}' should be a whole number from 1, found {shown(value)}"
            self.fail("bad-shape", message, place)
        return int(value)

    def _run(self, body: tuple[Any, ...], value: Value, around: Around) -> Value:
        """Send a value through a body."""
        ordinals: dict[str, int] = {}
        taken = set() if around.path else set(self.spec.inputs)
        for node in body:
            name = node.name
            if name is None:
                ordinals[node.called] = ordinal = ordinals.get(node.called, -1) + 1
                name = f"{node.called}_{ordinal}"
            if isinstance(node, Broken):
                self.incomplete, value = True, None
                continue
            self.spend(NODE, node.place, around)
            if around.depth > MAX_NESTING or len(around.path) > MAX_PATH:
                message = f"nodes nest at most {MAX_NESTING} levels deep, with at most {MAX_PATH:,} characters of names"
                raise SpecError([Diagnostic("too-deep", message, node.place, around.calls)])
            try:
                if name in taken:
                    self.fail(
                        "duplicate-name",
                        f"another node of this body, or an input, is called '{name}'",
                        node.place_of("name"),
                        around,
                    )
                taken.add(name)
                value = _dispatch(type(node))(self, node, value, name, around)
            except Mistake:
                self.incomplete, value = True, None
        return value

    @singledispatchmethod
    def _step(self, node: Written, value: Value, name: str, around: Around) -> Value:
        raise AssertionError(f"no step for {type(node).__name__}")

    @_step.register
    def _layer(self, node: LayerNode, value: Value, name: str, around: Around) -> Value:
        op = self.build_op(node.op, node.given, node, value, around)
        return self.apply_layer(op, value, name, node, around)

    @_step.register
    def _norm(self, node: Choice, value: Value, name: str, around: Around) -> Value:
        fields = overlay(self.settings(node.word, around), node.given)
        kind = fields.pop("kind", USUAL_NORM)
        known = NORMALIZATIONS.get(kind, Normalization).model_fields  # what all kinds have may stand beside `none` too
        for key in [key for key in fields if key not in known]:
            message = f"norm of kind {kind} has no field '{key}'{suggest_field(key, known)}"
            self.fail("unknown-field", message, node.place_of(key, key=True), around)
        if kind in NORMALIZATIONS:
            op = self.build_op(NORMALIZATIONS[kind], fields, node, value, around)
            return self.apply_layer(op, value, name, node, around)
        if kind == "weight" and self.defaults.get("norm", {}).get("kind") != "weight":
            message = "weight normalization is of a whole network: choose it in the spec's `defaults`"
            self.fail("bad-value", message, node.place_of("kind"), around)
        return value

    @_step.register
    def _extension(self, node: Ext, value: Value, name: str, around: Around) -> Value:
        if node.use not in self.extensions:
            allowed = f"; allowed are {', '.join(self.extensions)}" if self.extensions else ""
            self.fail(
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
                self.report(mistake.code, mistake.message, mistake.place, around)
            raise Mistake from None
        op = self.build_op(self.extensions[node.use], given, node, value, around)
        return self.apply(op, [value], around.join(name), node, around)

    @_step.register
    def _residual(self, node: Residual, value: Value, name: str, around: Around) -> Value:
        inside = around.inside(name)
        self.residuals += 1
        ordinal, scaling = self.residuals, self.setting(node, "scaling", around)
        fixup: list[str] | None = [] if scaling == "fixup" else None
        result = self._run(node.body, value, replace(inside.inside("body"), fixup=fixup))
        result = self.scale_body(result, scaling, fixup or [], inside, node, around)
        scale = self.setting(node, "scale", around)
        if scale is not None:
            op = self.build_op(Scale, {"value": scale}, node, value, around, renamed={"value": "scale"})
            result = self.apply(op, [result], inside.join("scale"), node, around)
        result = self.drop_body(result, ordinal, inside, node, value, around)
        shortcut = self._shortcut(node, value, result, inside, around)
        total = self.apply(Add(), [shortcut, result], inside.join("add"), node, around, body=inside.path)
        if scaling == "sqrt_half":
            total = self.apply(Scale(value=sqrt(1 / 2)), [total], inside.join("sqrt_half"), node, around)
        return total

    def _shortcut(self, node: Residual, value: Value, result: Value, inside: Around, around: Around) -> Value:
        """What a residual adds to the result of its body."""
        if value is None or result is None:
            return None
        shortcut, kind = value, "its input"
        for word, body in (("shortcut", node.shortcut), ("project", node.project)):
            if body is not None and (word == "shortcut" or not self._shapes.are_one(self.nodes, value, result)):
                kind = "its shortcut" if word == "shortcut" else "its projection"
                channels = result.shape.channels
                projected = self._run(body, value, inside.inside(word, out_channels=channels))
                if projected is None:
                    return None
                shortcut = projected
        if shortcut.shape != result.shape:
            remedy = "; give `project` or `shortcut`" if kind == "its input" else ""
            message = f"residual adds its body, {result.shape}, to {kind}, {shortcut.shape}{remedy}"
            self.misfit(message, node.place, around)
        return shortcut

    @_step.register
    def _repeat(self, node: Repeat, value: Value, name: str, around: Around) -> Value:
        for turn in self._turns(node, value, around.inside(name)):
            value = self._run(node.body, value, turn)
        return value

    @_step.register
    def _dense(self, node: Dense, value: Value, name: str, around: Around) -> Value:
        for turn in self._turns(node, value, around.inside(name)):
            result = self._run(node.body, value, turn.inside("body"))
            value = self.apply(Concat(), [value, result], turn.join("concat"), node, around, body=turn.path)
        return value

    @_step.register
    def _branches(self, node: Branching, value: Value, name: str, around: Around) -> Value:
        inside = around.inside(name)
        if node.branches is not None:
            branches = [(inside.inside(f"branch{i}"), branch) for i, branch in enumerate(node.branches)]
        else:
            branches = [(turn, node.body or ()) for turn in self._turns(node, value, inside)]
            if not branches:
                self.fail("bad-value", f"{node.word} needs at least one branch, found none", node.place, around)
        if node.word == "mul":  # the factors of a value are gates, which FixUp leaves alone: at zero they would be open
            branches[1:] = [(replace(turn, fixup=None), branch) for turn, branch in branches[1:]]
        values = [self._run(branch, value, turn) for turn, branch in branches]
        merge = MERGES[node.word]
        op = merge(**{key: self.setting(node, key, around) for key in merge.model_fields})
        return self.merge(op, values, self.setting(node, "fit", around), inside, node, around)

    @_step.register
    def _encoder_decoder(self, node: EncoderDecoder, value: Value, name: str, around: Around) -> Value:
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
            op, fit = MERGES[self.setting(node, "merge", around)](), self.setting(node, "fit", around)
            value = self.merge(op, [skip, value], fit, turn.inside("merge"), node, around)
            value = self._run(node.decoder, value, turn.inside("decoder"))
        return value

    @_step.register
    def _when(self, node: When, value: Value, name: str, around: Around) -> Value:
        test = self.evaluate(node.test, around, value, node.place_of("test"))
        if isinstance(test, list):
            self.fail(
                "bad-value", "`test` of when should be true or false, found a list", node.place_of("test"), around
            )
        return self._run(node.then if test else node.else_, value, around.inside(name))

    @_step.register
    def _tap(self, node: Tap, value: Value, name: str, around: Around) -> Value:
        label = self.label(node.label, around, value, node)
        around.taps[label] = value
        self._tapped.setdefault(label, around.calls)
        return value

    @_step.register
    def _from(self, node: From, value: Value, name: str, around: Around) -> Value:
        label = self.label(node.label, around, value, node)
        if label not in around.taps:
            if self.incomplete:
                raise Mistake
            known = f"; known here: {', '.join(around.taps)}" if around.taps else "; none is known here"
            known = self._find_closed(label, around) or suggest(label, around.taps) or known
            message = f"unknown tap '{label}'{known}"
            self.fail("unknown-tap", message, node.place_of("label"), around)
        return around.taps[label]

    def _find_closed(self, label: str, around: Around) -> str:
        """Where a tap is set that is not seen from here, as the end of a message."""
        if label not in self._tapped:
            return ""
        calls = self._tapped[label]
        if len(calls) > len(around.calls):
            return f"; it is set inside {calls[0].text}, and what a block taps is known in the block alone"
        return "; it is set outside, and a block sees no taps of its caller"

    @_step.register
    def _output(self, node: Output, value: Value, name: str, around: Around) -> Value:
        label = self.label(node.label, around, value, node)
        if label in self._labels or label in self.spec.inputs:
            other = "output" if label in self._labels else "input"
            self.fail(
                "duplicate-output", f"there is an {other} called '{label}' already", node.place_of("label"), around
            )
        self._labels.add(label)
        if value is not None:
            self.outputs[label] = value.id
        return value

    @_step.register
    def _call(self, node: CallNode, value: Value, name: str, around: Around) -> Value:
        if node.block in around.bodies:
            handed = around.bodies[node.block]
            here = replace(handed.around, path=around.join(name), depth=around.depth + 1, fixup=around.fixup)
            return self._run(handed.body, value, here)
        block = self.spec.blocks[node.block]
        names = dict(self.spec.params)
        given: dict[str, Any] = {}
        bodies: dict[str, Handed] = {}
        for key, argument in block.args.items():
            written = node.arguments.get(key)
            if argument.type == "block":
                bodies[key] = Handed(written or (), around)
                continue
            if key in node.arguments:
                place = node.place_of(key)
                result = self.evaluate(written, around, value, place)
            else:
                place = block.place_of("args", key)
                result = self.evaluate(argument.default, replace(around, names=names), value, place)
            given[key] = names[key] = self.convert(key, argument.type, result, node, place, around)
        text = f"{node.block}({', '.join(f'{key}={shown(item)}' for key, item in given.items())})"
        calls = (Call(text, node.place), *around.calls)
        path, depth = around.join(name), around.depth + 1
        inside = Around(names, {}, bodies, path, calls, depth, block.defaults, around.fixup)
        for key, expression in block.let.items():
            names[key] = self.evaluate(expression, inside, value, block.place_of("let", key))
        return self._run(block.body, value, inside)

    def _turns(self, node: Turns, value: Value, around: Around) -> Iterator[Around]:
        """The surroundings of each turn of a loop."""
        columns = self.evaluate_columns(node.each or {}, node, around, value)
        if node.each is not None:
            count: Any = len(next(iter(columns.values())))
        else:
            count = self.evaluate(node.n, around, value, node.place_of("n"))
            if not is_whole(count) or count < 0:
                self.fail(
                    "bad-value",
                    f"`n` should be a whole number from 0, found {shown(count)}",
                    node.place_of("n"),
                    around,
                )
        self.spend(int(count) * NODE, node.place_of("n" if node.each is None else "each"), around)
        for i in range(int(count)):
            row = {key: column[i] for key, column in columns.items()}
            yield around.inside(f"{node.as_}{i}", **{node.as_: i}, **row)


_dispatch = vars(Unrolling)["_step"].dispatcher.dispatch
"""By a node's type; asking the singledispatchmethod itself makes a new function each time."""
