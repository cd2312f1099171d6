"""The walk through a spec: bodies are unrolled into nodes, each with its shape. What a word of the language does on its
turn stands in `words.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from archspec.errors import Call, SpecError, suggest
from archspec.ops import Input, Layer
from archspec.spec.document import is_size
from archspec.spec.expressions import lookup_of
from archspec.spec.layers import ErrorNode
from archspec.spec.layers import Node as Written
from archspec.spec.load import Spec
from archspec.spec.marked import place_in
from archspec.spec.nodes import Turns
from archspec.strict_json import MAX_WHOLE
from compiler.elaborate.builder import GraphBuilder
from compiler.elaborate.evaluator import Evaluator, is_whole, tell
from compiler.elaborate.reporter import NODE, Reporter, SkipNode
from compiler.elaborate.residuals import Residuals
from compiler.elaborate.scope import Scope, Step, Value
from compiler.graph import Graph, Node, Source
from compiler.sizes.shapes_by_size import ShapesBySize

MAX_NESTING = 100
"""The largest depth of nodes inside nodes, in levels."""
MAX_PATH = 1000
"""The longest id of a node, in characters: its path."""

Word: TypeAlias = "Callable[[Unroller, Any, Step], Value]"
"""What a word of the language does on its turn: given the walk, the node in its own type, and the step, it puts nodes
into the graph, and gives the value that goes on."""


class Unroller:
    """One walk through a spec."""

    def __init__(
        self,
        spec: Spec,
        sizes: Mapping[str, int],
        max_nodes: int,
        extensions: Mapping[str, type[Layer]],
        find_word: Callable[[type[Written]], Word],
        residuals: int | None = None,
    ) -> None:
        self.spec = spec
        self.sizes = sizes
        self.extensions = extensions
        self.reporter = Reporter(max_nodes)
        self.evaluator = Evaluator(spec.defaults, self.reporter)
        self.builder = GraphBuilder(self.evaluator)
        self.residuals = Residuals(self.builder, residuals)
        self.taps = TapRecord()
        self.outputs: dict[str, str] = {}
        self.output_names: set[str] = set()
        """The names of outputs, also of those that have no value because of a mistake."""
        self.incomplete = False
        """Whether some node was left out because of a mistake, so that a missing tap need not be one."""
        self._find_word = find_word
        self._shapes = ShapesBySize(sizes)

    def build(self) -> Graph | None:
        """The graph, or None where there are mistakes."""
        try:
            inputs = {name: self._put_input(name, entries) for name, entries in self.spec.inputs.items()}
            first = next(iter(inputs.values()))
            last = self.run_body(self.spec.network, first, Scope(self.spec.params, dict(inputs)))
        except SpecError as stop:  # a bound was reached: nothing after it means anything
            self.reporter.mistakes = [*self.reporter.mistakes, *stop.diagnostics]
            return None
        if not self.outputs and last is not None:
            self.outputs["output"] = last.id
        if self.reporter.mistakes or not self.outputs:
            return None
        return Graph(self.spec.name, self.builder.nodes, self.outputs, dict(self.sizes))

    def _put_input(self, name: str, entries: tuple[Any, ...]) -> Value:
        place = place_in(self.spec.written, ("inputs", name), self.spec.written.at, key=True)
        try:
            op = Input(dims=tuple(self._read_extent(name, i, entry) for i, entry in enumerate(entries)))
            return self.builder.keep(Node(name, op, (), op.infer(**self.sizes), Source(place)))
        except SkipNode:
            return None

    def _read_extent(self, name: str, i: int, entry: Any) -> int | str:
        if is_size(entry):
            return str(entry)
        place = place_in(self.spec.written, ("inputs", name, i), self.spec.written.at)
        value = self.evaluator.compute(entry, lookup_of(self.spec.params), place)
        if not is_whole(value) or not 1 <= value <= MAX_WHOLE:
            message = f"an extent of the input '{name}' should be a whole number from 1, found {tell(value)}"
            self.reporter.fail("bad-shape", message, place)
        return int(value)

    def run_body(self, body: tuple[Any, ...], value: Value, scope: Scope) -> Value:
        """Send a value through a body."""
        ordinals: dict[str, int] = {}
        taken = set() if scope.path else set(self.spec.inputs)
        is_too_deep = scope.depth > MAX_NESTING or len(scope.path) > MAX_PATH
        for node in body:
            name = node.name
            if name is None:
                ordinals[node.called] = ordinal = ordinals.get(node.called, -1) + 1
                name = f"{node.called}_{ordinal}"
            if isinstance(node, ErrorNode):
                self.incomplete, value = True, None
                continue
            self.reporter.spend(NODE, node.place, scope.calls)
            step = Step(node, value, name, scope)
            if is_too_deep:
                message = f"nodes nest at most {MAX_NESTING} levels deep, with at most {MAX_PATH:,} characters of names"
                self.reporter.stop("too-deep", message, node.place, scope.calls)
            try:
                if name in taken:
                    message = f"another node of this body, or an input, is called '{name}'"
                    self.reporter.fail("duplicate-name", message, step.place("name"), scope.calls)
                taken.add(name)
                value = self._find_word(type(node))(self, node, step)
            except SkipNode:
                self.incomplete, value = True, None
        return value

    def list_turns(self, step: Step, node: Turns) -> Iterator[Scope]:
        """The scope of each turn of a loop, one after the other."""
        columns = self.evaluator.evaluate_columns(step, node.each or {})
        count = len(next(iter(columns.values()))) if columns else self._count_turns(step, node)
        self.reporter.spend(count * NODE, step.place("n" if node.each is None else "each"), step.calls)
        inside = step.enter()
        for i in range(count):
            row = {key: column[i] for key, column in columns.items()}
            yield inside.enter(f"{node.as_}{i}", **{node.as_: i}, **row)

    def _count_turns(self, step: Step, node: Turns) -> int:
        count = self.evaluator.evaluate(step, node.n, step.place("n"))
        if not is_whole(count) or count < 0:
            message = f"`n` should be a whole number from 0, found {tell(count)}"
            self.reporter.fail("bad-value", message, step.place("n"), step.calls)
        return int(count)

    def are_one_shape(self, value: Node, other: Node) -> bool:
        """Whether two values have the same shape whatever the dynamic sizes are."""
        return self._shapes.are_one(self.builder.nodes, value, other)


class TapRecord:
    """Every tap that was set so far, and the block calls that led to it: for messages about taps that are not seen."""

    def __init__(self) -> None:
        self._calls: dict[str, tuple[Call, ...]] = {}

    def keep(self, label: str, scope: Scope) -> None:
        self._calls.setdefault(label, scope.calls)

    def explain_missing(self, label: str, scope: Scope) -> str:
        """Why a tap is not seen from a scope, as the end of a message: what sets it, a similar one, or all."""
        known = f"; known here: {', '.join(scope.taps)}" if scope.taps else "; none is known here"
        return self._find_closed(label, scope) or suggest(label, scope.taps) or known

    def _find_closed(self, label: str, scope: Scope) -> str:
        if label not in self._calls:
            return ""
        calls = self._calls[label]
        if len(calls) > len(scope.calls):
            return f"; it is set inside {calls[0].text}, and what a block taps is known in the block alone"
        return "; it is set outside, and a block sees no taps of its caller"
