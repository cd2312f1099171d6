"""Residual blocks: a scale of their bodies that keeps the signal in bounds, and a chance that these are left out."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from archspec import ops
from compiler.elaborate.builder import GraphBuilder
from compiler.elaborate.evaluator import Evaluator
from compiler.elaborate.scope import MaybeNode, Scope, Step


@dataclass
class Residuals:
    """The residual blocks of a walk: those met so far, and the number of all where a walk before has counted them."""

    builder: GraphBuilder
    evaluator: Evaluator
    total: int | None
    met: int = 0
    wants_total: bool = False
    """True if something depends on the number of all, which only a walk before this one can know."""

    def scale(self, step: Step, result: MaybeNode, scaling: str, kernels: list[str], inside: Scope) -> MaybeNode:
        """Scale the result of a body as SkipInit (De and Smith, 2020), Stable ResNet (Hayou et al., 2021) or FixUp
        (Zhang et al., 2019) say; `kernels` are the ids of its layers with a kernel."""
        apply = self.builder.apply
        if scaling == "stable":
            return apply(step, ops.Scale(value=1 / sqrt(self._count())), [result], inside.join("stable"))
        if scaling == "skip_init":
            return apply(step, ops.Scale(value=0.0, trainable=True), [result], inside.join("multiplier"))
        if scaling == "fixup":
            self._start_as_fixup_says(kernels)
            result = apply(step, ops.Scale(trainable=True), [result], inside.join("multiplier"))
            return apply(step, ops.Shift(trainable=True), [result], inside.join("bias"))
        return result

    def _start_as_fixup_says(self, kernels: list[str]) -> None:
        for id in kernels[:-1]:
            gain = self._count() ** (-1 / (2 * len(kernels) - 2))
            self.builder.change(id, gain=gain * self.builder.nodes[id].op.gain)  # type: ignore[attr-defined]
        for id in kernels[-1:]:
            self.builder.change(id, init="zeros")

    def drop(self, step: Step, result: MaybeNode, ordinal: int, inside: Scope) -> MaybeNode:
        """Leave out a body by chance: stochastic depth (Huang et al., 2016) or ShakeDrop (Yamada et al., 2019)."""
        survival, drop = self.evaluator.setting(step, "survival"), self.evaluator.setting(step, "drop")
        if survival is None:
            return result
        given = {"survival": survival} | ({"draw": drop} if drop in ("sample", "batch") else {})
        op = self.evaluator.build_op(step, ops.ShakeDrop if drop == "shake" else ops.StochasticDepth, given)
        if self.evaluator.setting(step, "decay") == "linear":
            assert isinstance(op, ops.ShakeDrop | ops.StochasticDepth)
            lost = ordinal / self._count() * (1 - op.survival)
            op = op.model_copy(update={"survival": 1 - lost})
        return self.builder.apply(step, op, [result], inside.join("survival"))

    def _count(self) -> int:
        """The number of all residuals; in a walk that does not know it yet, of those so far."""
        self.wants_total = self.total is None
        return self.met if self.total is None else self.total
