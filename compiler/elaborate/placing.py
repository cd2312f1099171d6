"""Puts operations into the graph that is being built: layers, merges of values whose sizes may have to fit, and what
residual blocks add to their bodies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import takewhile
from math import sqrt
from typing import Any

from archspec.ops import (
    Add,
    Concat,
    Conv,
    ConvTranspose,
    Crop,
    Linear,
    Mul,
    Op,
    OpError,
    PadSpace,
    Scale,
    Shake,
    ShakeDrop,
    Shape,
    Shift,
    StochasticDepth,
)
from archspec.ops.activation import Activation
from archspec.ops.fields import LARGEST
from archspec.spec.document import merge_defaults
from archspec.spec.layers import Node as Written
from archspec.spec.nodes import Residual
from compiler.elaborate.values import Around, Evaluation, Value
from compiler.graph import Node, Source
from compiler.scopes import scopes_around

MERGES: dict[str, type[Op]] = {op.kind: op for op in (Add, Concat, Mul, Shake)}
KERNELS = Conv | ConvTranspose | Linear
PAIR = 4
"""What it takes of the budget, in parts of a node, to fit one operand to another."""


class Building(Evaluation):
    """The nodes so far, and how one more gets there."""

    def __init__(self, defaults: Mapping[str, Mapping[str, Any]], max_nodes: int, residuals: int | None) -> None:
        super().__init__(_with_weight_norm(defaults), max_nodes)
        self.nodes: dict[str, Node] = {}
        self._scopes: set[str] = set()
        """The paths above the nodes: what torch makes modules of that hold others."""
        self._inferred: dict[tuple[int, tuple[Shape, ...]], tuple[Op, Shape]] = {}
        """Results by the operation, which is kept so that its id stays its own, and the shapes of its operands."""
        self.residuals = 0
        """How many `residual` nodes were met so far."""
        self._all_residuals = residuals
        self.counts_residuals = False
        """Whether something depends on the number of all, which only a walk before this one can know."""

    def apply(
        self, op: Op, values: list[Value], id: str, node: Written, around: Around, body: str | None = None
    ) -> Value:
        """Put in an operation on these values; None where one of them is."""
        operands = [value for value in values if value is not None]
        if len(operands) < len(values):
            return None
        taken = self._find_taken(id)
        if taken is not None:
            self.fail("duplicate-name", f"there are two nodes '{taken}'; rename one of them", node.place, around)
        try:
            shape = self._infer(op, tuple([operand.shape for operand in operands]))
        except OpError as error:
            given = error.field is None or error.field in node.model_fields_set
            origin = "" if given or error.field not in self.settings(node.word, around) else ", from `defaults`"
            self.misfit(f"{error}{origin}", node.place_of(error.field) if error.field else node.place, around)
        return self.keep(
            Node(id, op, tuple(operand.id for operand in operands), shape, Source(node.place, around.calls), body)
        )

    def _infer(self, op: Op, operands: tuple[Shape, ...]) -> Shape:
        """The shape of a result. Raises OpError. Repeated blocks share their operations, and ask once."""
        key = id(op), operands
        if key not in self._inferred:
            shape: Shape = op.infer(*operands)
            if max(shape) > LARGEST:
                raise OpError(f"an extent of {max(shape):,} is larger than any value may be")
            self._inferred[key] = op, shape
        return self._inferred[key][1]

    def keep(self, node: Node) -> Node:
        assert node.id not in self.nodes, node.id
        self.nodes[node.id] = node
        self._scopes.update(self._find_new_scopes(node.id))
        return node

    def _find_taken(self, id: str) -> str | None:
        """The name that a node would share with another: FixUp and `fit` name theirs without asking the spec."""
        if id in self.nodes or id in self._scopes:
            return id
        return next((scope for scope in self._find_new_scopes(id) if scope in self.nodes), None)

    def _find_new_scopes(self, id: str) -> list[str]:
        """The paths above a node's that hold no other yet, the longest first."""
        if id.rpartition(".")[0] in self._scopes:  # as for most nodes
            return []
        return list(takewhile(lambda scope: scope not in self._scopes, scopes_around(id)))

    def apply_layer(self, op: Op, value: Value, name: str, node: Written, around: Around) -> Value:
        """Put in a layer; in a body that starts as FixUp says, with a learned bias before kernels and activations."""
        if around.fixup is None or not isinstance(op, KERNELS | Activation):
            return self.apply(op, [value], around.join(name), node, around)
        value = self.apply(Shift(trainable=True), [value], around.join(f"{name}_bias"), node, around)
        result = self.apply(op, [value], around.join(name), node, around)
        if isinstance(op, KERNELS) and result is not None:
            around.fixup.append(result.id)
        return result

    def merge(self, op: Op, values: list[Value], fit: str, inside: Around, node: Written, around: Around) -> Value:
        """Put in a merge, and before it what brings its operands to one spatial size."""
        operands = [value for value in values if value is not None]
        if len(operands) < len(values):
            return None
        if len(operands) == 1:
            return operands[0]
        if fit != "error" and len({operand.shape.rank for operand in operands}) == 1:
            operands = self._fit(fit, operands, inside, node, around)
        return self.apply(op, list(operands), inside.join(op.kind), node, around)

    def _fit(self, fit: str, operands: list[Node], inside: Around, node: Written, around: Around) -> list[Node]:
        """Cut operands down to the smallest extents, or pad them to the largest, each to all others, since at another
        size another may be the smallest (what never does anything is left out later)."""
        distinct = {operand.id: operand for operand in operands}
        if len(distinct) == 1:
            return operands
        self.spend(PAIR * len(operands) * len(distinct), node.place, around)
        fitted = []
        for i, operand in enumerate(operands):
            others = [other for other in distinct.values() if other is not operand]
            op = PadSpace() if fit == "pad" else Crop()
            fitted.append(self.apply(op, [operand, *others], inside.join(f"{fit}{i}"), node, around) or operand)
        return fitted

    def scale_body(
        self, result: Value, scaling: str, kernels: list[str], inside: Around, node: Residual, around: Around
    ) -> Value:
        """SkipInit (De and Smith, 2020), Stable ResNet (Hayou et al., 2021) and FixUp (Zhang et al., 2019)."""
        if scaling == "stable":
            op = Scale(value=1 / sqrt(self._count_residuals()))
            return self.apply(op, [result], inside.join("stable"), node, around)
        if scaling == "skip_init":
            op = Scale(value=0.0, trainable=True)
            return self.apply(op, [result], inside.join("multiplier"), node, around)
        if scaling == "fixup":
            for id in kernels[:-1]:
                gain = self._count_residuals() ** (-1 / (2 * len(kernels) - 2))
                self._change(id, gain=gain * self.nodes[id].op.gain)  # type: ignore[attr-defined]
            for id in kernels[-1:]:
                self._change(id, init="zeros")
            result = self.apply(Scale(trainable=True), [result], inside.join("multiplier"), node, around)
            return self.apply(Shift(trainable=True), [result], inside.join("bias"), node, around)
        return result

    def drop_body(
        self, result: Value, ordinal: int, inside: Around, node: Residual, value: Value, around: Around
    ) -> Value:
        """Stochastic depth (Huang et al., 2016) or ShakeDrop (Yamada et al., 2019)."""
        survival, drop = self.setting(node, "survival", around), self.setting(node, "drop", around)
        if survival is None:
            return result
        given = {"survival": survival} | ({"draw": drop} if drop in ("sample", "batch") else {})
        op = self.build_op(ShakeDrop if drop == "shake" else StochasticDepth, given, node, value, around)
        if self.setting(node, "decay", around) == "linear":
            assert isinstance(op, ShakeDrop | StochasticDepth)
            lost = ordinal / self._count_residuals() * (1 - op.survival)
            op = op.model_copy(update={"survival": 1 - lost})
        return self.apply(op, [result], inside.join("survival"), node, around)

    def _count_residuals(self) -> int:
        """The number of all residuals; in a walk that does not know it yet, of those so far."""
        self.counts_residuals = True
        return self._all_residuals or self.residuals

    def _change(self, id: str, **fields: Any) -> None:
        """Give a node's operation other values of some fields."""
        node = self.nodes[id]
        self.nodes[id] = replace(node, op=node.op.model_copy(update=fields))


def _with_weight_norm(defaults: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """Where the network's normalization is that of weights, all layers with a kernel have it by default."""
    if defaults.get("norm", {}).get("kind") != "weight":
        return defaults
    return merge_defaults({op.kind: {"weight_norm": True} for op in (Conv, ConvTranspose, Linear)}, defaults)
