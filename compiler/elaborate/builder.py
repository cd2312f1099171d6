"""The builder puts operations into the graph: layers, and merges of values whose sizes may have to fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any, NoReturn

from archspec import ops
from archspec.bounds import MAX_WHOLE
from archspec.ops import Op, OpError, Shape
from archspec.ops.merge import Repeating
from compiler.elaborate.reporter import Reporter
from compiler.elaborate.scope import MaybeNode, Scope, Step
from compiler.graph import INTEGERS, Node, NodeSource
from compiler.scope_tree import scopes_around

PAIR = 4
"""The cost, in parts of a node of the budget, of fitting one operand to another."""


class GraphBuilder:
    """A builder has the nodes so far, and puts in more."""

    def __init__(self, reporter: Reporter, settings: Callable[[str, Scope], Mapping[str, Any]]) -> None:
        """Start without nodes. `settings` gives what the defaults say of a word in a scope."""
        self.reporter = reporter
        self.settings = settings
        self.nodes: dict[str, Node] = {}
        self._scopes: set[str] = set()
        """The paths above the nodes, and above the weights that nodes share: what torch makes modules of that hold
        others."""
        self._homes: set[str] = set()
        """The paths of shared weights."""
        self._inferred: dict[tuple[int, tuple[Shape, ...]], tuple[Op, Op, Shape]] = {}
        """The resolved operation and its result, by the operation, which is kept so that its id stays its own, and the
        shapes of its operands."""
        self._resolved: dict[tuple[int, int], tuple[Op, Op]] = {}
        """Operations that leave something open, kept so too, and what they are for values of so many axes."""

    def apply(self, step: Step, op: Op, values: Sequence[MaybeNode], id: str, body: str | None = None) -> MaybeNode:
        """Put in an operation on these values; None where one of them is. `body` is the scope of the residual or dense
        body that the operation merges."""
        operands = [value for value in values if value is not None]
        if len(operands) < len(values):
            return None
        self._take_name(step, id)
        self._refuse_numbers(step, op, operands)
        try:
            op, shape = self._infer(op, tuple([operand.shape for operand in operands]))
        except OpError as error:
            self._refuse_shapes(step, error)
        source = NodeSource(step.node.place, step.scope.calls)
        home = None if step.home is None else self._claim_home(step, op, step.find_home(id), operands)
        return self.keep(Node(id, op, tuple([operand.id for operand in operands]), shape, source, body, shared=home))

    @property
    def shares(self) -> bool:
        """True if some node has a home for its weights that others may share."""
        return bool(self._homes)

    def _claim_home(self, step: Step, op: Op, home: str, operands: list[Node]) -> str | None:
        """Keep the name for the weights that a node shares; None where it has none."""
        if not op.weights(*[operand.shape for operand in operands]):
            return None
        if home not in self._homes:
            taken = self._take(home)
            if taken is not None:
                message = f"weights that are shared would be called '{home}', and there is a node '{taken}'"
                self.reporter.fail("duplicate-name", f"{message}; choose another label", step.place(), step.calls)
            self._homes.add(home)
        return home

    def _resolve_axes(self, op: Op, operands: tuple[Shape, ...]) -> Op:
        """The operation for values of so many axes; repeated blocks go on sharing theirs."""
        resolved = op.resolve_axes(*operands)
        if resolved is op:
            return op
        key = id(op), operands[0].rank
        return self._resolved.setdefault(key, (op, resolved))[1]

    def _infer(self, op: Op, operands: tuple[Shape, ...]) -> tuple[Op, Shape]:
        """The operation with nothing left open, and the shape of its result. Raises OpError. Repeated blocks share
        their operations, and ask once."""
        key = id(op), operands
        if key not in self._inferred:
            resolved = self._resolve_axes(op, operands)
            shape: Shape = resolved.infer(*operands)
            if max(shape) > MAX_WHOLE:
                raise OpError(f"an extent of {max(shape):,} is larger than any value may be")
            self._inferred[key] = op, resolved, shape
        _, resolved, shape = self._inferred[key]
        return resolved, shape

    def _refuse_shapes(self, step: Step, error: OpError) -> NoReturn:
        """Report shapes that an operation does not take. Raises SkipNode."""
        field = error.field
        own = field is None or field in step.node.model_fields_set
        inherited = not own and field in self.settings(step.node.word, step.scope)
        message = f"{error}, from `defaults`" if inherited else f"{error}"
        self.reporter.fail(error.code, message, step.place(field) if field else step.place(), step.calls)

    def _refuse_numbers(self, step: Step, op: Op, operands: list[Node]) -> None:
        """Report whole numbers that an operation computes with, and others that should name rows. Raises SkipNode."""
        taken = INTEGERS if op.takes == "int" else None
        for operand in operands[: op.data_inputs]:
            if operand.type == taken:
                continue
            message = (
                f"{op.word} takes no whole numbers, which '{operand.id}' has by its type; put `embedding` before it"
                if operand.holds_integers
                else f"{op.word} looks up rows by whole numbers, which an input of type int has: "
                "`inputs: {ids: {shape: [1, L], type: int}}`"
            )
            self.reporter.fail("wrong-numbers", message, step.place(), step.calls)

    def keep_copy(self, step: Step, node: Node) -> Node:
        """Put in the node of another network, whose operands are here, with its shape known."""
        self._take_name(step, node.id)
        if node.shared is not None:
            home = self._claim_home(step, node.op, node.shared, [self.nodes[id] for id in node.inputs])
            node = replace(node, shared=home)
        return self.keep(node)

    def _take_name(self, step: Step, id: str) -> None:
        """Take the name of a node, and report one that another has. Raises SkipNode."""
        taken = self._take(id)
        if taken is not None:
            message = f"there are two nodes '{taken}'; rename one of them"
            self.reporter.fail("duplicate-name", message, step.place(), step.calls)

    def keep(self, node: Node) -> Node:
        """Put in a node whose shape is known."""
        assert node.id not in self.nodes, node.id
        self.nodes[node.id] = node
        return node

    def change(self, id: str, **fields: Any) -> None:
        """Give the operation of a node other values of some fields, on which its shape does not depend."""
        node = self.nodes[id]
        self.nodes[id] = replace(node, op=node.op.model_copy(update=fields))

    def _take(self, path: str) -> str | None:
        """Take a path for a node or for shared weights, with those above it; where one of them is another's, give that:
        FixUp and `fit` name nodes without asking the spec."""
        if path in self.nodes or path in self._scopes or path in self._homes:
            return path
        if path.rpartition(".")[0] in self._scopes:  # as for most nodes
            return None
        new = list(takewhile(lambda scope: scope not in self._scopes, scopes_around(path)))
        taken = next((scope for scope in new if scope in self.nodes or scope in self._homes), None)
        if taken is None:
            self._scopes.update(new)
        return taken

    def apply_layer(self, step: Step, op: Op, others: Sequence[MaybeNode] = (), id: str | None = None) -> MaybeNode:
        """Put in a layer, which takes `others` too; in a body that starts as FixUp says, with a learned bias before
        kernels and activations."""
        fixup, id = step.scope.fixup, id or step.id
        if fixup is None or not (op.has_kernel or op.family == "activation"):
            return self.apply(step, op, [step.value, *others], id)
        value = self.apply(step, ops.Shift(trainable=True), [step.value], f"{id}_bias")
        result = self.apply(step, op, [value, *others], id)
        if isinstance(op, ops.Kernel) and result is not None:
            fixup.append(result.id)
        return result

    def merge(self, step: Step, op: Op, values: list[MaybeNode], fit: str, inside: Scope, like: int = 0) -> MaybeNode:
        """Put in a merge, and before it what brings its operands to one spatial size. `like` is the one to whose
        extents the others are resized."""
        operands = [value for value in values if value is not None]
        if len(operands) < len(values):
            return None
        if len(operands) == 1:
            return operands[0]
        if fit == "repeat" and isinstance(op, Repeating):
            op = op if op.repeats else op.model_copy(update={"repeat": True})
        elif fit != "error" and len({operand.shape.rank for operand in operands}) == 1:
            resizes = fit == "resize"
            operands = self._resize(step, operands, inside, like) if resizes else self._fit(step, fit, operands, inside)
        return self.apply(step, op, operands, inside.join(op.word))

    def _fit(self, step: Step, fit: str, operands: list[Node], inside: Scope) -> list[Node]:
        """Cut operands down to the smallest extents, or pad or repeat them to the largest, each to all others, since at
        another size another may be the smallest (what never does anything is left out later)."""
        distinct = {operand.id: operand for operand in operands}
        if len(distinct) == 1:
            return operands
        self.reporter.spend(PAIR * len(operands) * len(distinct), step.node, step.calls)
        fitted = []
        for i, operand in enumerate(operands):
            others = [other for other in distinct.values() if other is not operand]
            op = ops.PadSpace() if fit == "pad" else ops.Crop() if fit == "crop" else ops.RepeatSpace()
            fitted.append(self.apply(step, op, [operand, *others], inside.join(f"{fit}{i}")) or operand)
        return fitted

    def _resize(self, step: Step, operands: list[Node], inside: Scope, like: int) -> list[Node]:
        """Resize all operands to the extents of one (what never does anything is left out later)."""
        op, lender = ops.Resize(mode="linear"), operands[like]
        resized = []
        for i, operand in enumerate(operands):
            same = operand.id == lender.id
            resized.append(
                operand if same else self.apply(step, op, [operand, lender], inside.join(f"resize{i}")) or operand
            )
        return resized
