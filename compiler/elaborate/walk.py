"""The state of a walk through a spec: the graph so far, who reads and reports, and which taps and outputs it has met.

How it goes from word to word stands in `bodies.py` and `words/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from archspec.bounds import MAX_WHOLE
from archspec.errors import Place, suggest
from archspec.ops import Input, Op
from archspec.spec.expressions import lookup_of
from archspec.spec.inputs import InputShape, is_size, path_of_entry
from archspec.spec.nodes.flow import Turns
from archspec.spec.spec import Spec
from compiler.elaborate.builder import GraphBuilder
from compiler.elaborate.evaluator import Evaluator, is_whole, tell
from compiler.elaborate.fixed_sizes import SizeReader
from compiler.elaborate.reporter import NODE, Reporter, SkipNode
from compiler.elaborate.residuals import Residuals
from compiler.elaborate.scope import MaybeNode, Scope, Step
from compiler.elaborate.sharing import LabelReader
from compiler.graph import INTEGERS, Node, NodeSource
from compiler.sizes.shapes_by_size import ShapesBySize


class Walk:
    """The state of one walk through a spec."""

    def __init__(
        self,
        spec: Spec,
        sizes: Mapping[str, int],
        max_nodes: int,
        extensions: Mapping[str, type[Op]],
        residuals: int | None = None,
        fixed: Mapping[str, Place] | None = None,
    ) -> None:
        self.spec = spec
        self.sizes = SizeReader(sizes, fixed or {})
        self.extensions = extensions
        self.reporter = Reporter(max_nodes)
        self.evaluator = Evaluator(spec.defaults, self.reporter, self.sizes)
        self.builder = GraphBuilder(self.reporter, self.evaluator.settings)
        self.residuals = Residuals(self.builder, self.evaluator, residuals)
        self.labels = LabelReader(self.evaluator, self.reporter)
        self.taps = TapRecord()
        self.outputs: dict[str, str] = {}
        self.output_names: set[str] = set()
        """The names of outputs, also of those that have no value because of a mistake."""
        self.incomplete = False
        """True if some node was left out because of a mistake, so that a missing tap need not be one."""
        self._shapes = ShapesBySize(self.sizes.free)

    def put_inputs(self) -> dict[str, MaybeNode]:
        """Put in the inputs, by name; None for one whose shape is a mistake."""
        return {name: self._put_input(name, entries) for name, entries in self.spec.inputs.items()}

    def _put_input(self, name: str, entries: InputShape) -> MaybeNode:
        place = self.spec.place_of("inputs", name, key=True)
        try:
            dims = tuple(self._read_extent(name, i, entry) for i, entry in enumerate(entries))
            op = Input(dims=dims, type=entries.type)
            type = INTEGERS if entries.type == "int" else None
            return self.builder.keep(Node(name, op, (), op.infer(**self.sizes.free), NodeSource(place), type=type))
        except SkipNode:
            return None

    def _read_extent(self, name: str, i: int, entry: Any) -> int | str:
        if is_size(entry):
            return self.sizes.values.get(entry, str(entry))
        path = path_of_entry(self.spec.written, name, i)
        value = self.evaluator.compute(entry, lookup_of(self.spec.names), (), self.spec, *path)
        if not is_whole(value) or not 1 <= value <= MAX_WHOLE:
            message = f"an extent of the input '{name}' should be a whole number from 1, found {tell(value)}"
            self.reporter.fail("bad-shape", message, self.spec.place_of(*path))
        return int(value)

    def list_turns(self, step: Step, node: Turns) -> Iterator[Scope]:
        """Give the scope of each turn of a loop, one after the other."""
        columns = self.evaluator.evaluate_columns(step, node.each or {})
        each = next(iter(columns.values()), None)
        count = self.evaluator.evaluate_whole(step, node.n, "n", least=0) if each is None else len(each)
        self.reporter.spend(count * NODE, node, step.calls, "n" if node.each is None else "each")
        inside = step.enter()
        for i in range(count):
            row = {key: column[i] for key, column in columns.items()}
            yield inside.enter(f"{node.as_}{i}", **{node.as_: i}, **row)

    def are_one_shape(self, value: Node, other: Node) -> bool:
        """Tell whether two values have the same shape whatever the dynamic sizes are."""
        return self._shapes.are_one(self.builder.nodes, value, other)

    def is_fixed(self, value: Node, axis: int) -> bool:
        """Tell whether an extent of a value is the same whatever the dynamic sizes are."""
        return not self.find_sizes(value, axis)

    def find_sizes(self, value: Node, axis: int) -> frozenset[str]:
        """Find the dynamic sizes that an extent of a value follows."""
        return self._shapes.find_sizes(self.builder.nodes, value, axis)


class TapRecord:
    """A record of every tap that was set so far, and of the scope that it was set in: for messages about taps that are
    not seen."""

    def __init__(self) -> None:
        self._scopes: dict[str, Scope] = {}

    def keep(self, label: str, scope: Scope) -> None:
        self._scopes.setdefault(label, scope)

    def explain_missing(self, label: str, scope: Scope) -> str:
        """Explain why a tap is not seen from a scope, as the end of a message: what sets it, a similar one, or all."""
        known = f"; known here: {', '.join(scope.taps)}" if scope.taps else "; none is known here"
        return self._find_closed(label, scope) or suggest(label, scope.taps) or known

    def _find_closed(self, label: str, scope: Scope) -> str:
        if label not in self._scopes:
            return ""
        calls = self._scopes[label].calls
        if self._scopes[label].windows and not scope.windows:
            return "; it is set in windows, where the map is padded and rolled: set it behind them"
        if len(calls) > len(scope.calls):
            block = calls[0].text.partition("(")[0]
            return (
                f"; it is set inside {calls[0].text}, and what a block taps is known in the block alone: with "
                f"`gives: [{label}]` in {block} and a `name` for its call, it is `NAME.{label}`"
            )
        return "; it is set outside, and a block sees no taps of its caller"
