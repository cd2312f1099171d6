"""The effect of each scaling of residual bodies, each normalization or each initialization on a network's signal: the
same spec compiled with other defaults, and its signal predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from archspec.bounds import MAX_NODES
from archspec.errors import InputError, SpecError, suggest
from archspec.ops import NORMALIZATIONS, OPS, Init
from archspec.ops.signal.moments import Doubt
from archspec.spec.defaults import merge_defaults
from archspec.spec.nodes.residual import Scaling
from archspec.spec.spec import Spec
from compiler.analysis.signal.signal import NodeSignal, Signal, predict_signal
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph

CHOICES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "scaling": {word: {"residual": {"scaling": word}} for word in get_args(Scaling)},
    "norm": {word: {"norm": {"kind": word}} for word in ("none", *NORMALIZATIONS, "weight")},
    "init": {word: {op.kind: {"init": word} for op in OPS if op.has_kernel} for word in get_args(Init)},
}
"""The questions, and for each the defaults that answer it, by the word for the choice."""


@dataclass(frozen=True, slots=True)
class ChoiceEffect:
    """The effect of one choice on the signal.

    `final` is the second moment at the first output, `largest` the largest one anywhere. `gradient` is the second
    moment of the gradient at the result of the first block relative to that of the last: above one it grows on its way
    back. Where there are no blocks, layers with a kernel stand for them. None where nothing is known, or nothing
    arrives. `overflow` is the node where fp16 overflows. The doubts say why a number is an estimate. `problem` says why
    the network cannot be had.
    """

    word: str
    final: float | None = None
    largest: float | None = None
    gradient: float | None = None
    overflow: str | None = None
    problem: str | None = None
    layers: int = 0
    """The largest number of layers with weights on a way through the network."""
    final_doubts: tuple[Doubt, ...] = ()
    largest_doubts: tuple[Doubt, ...] = ()
    gradient_doubts: tuple[Doubt, ...] = ()
    overflow_doubts: tuple[Doubt, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        row = {name: getattr(self, name) for name in self.__slots__}
        return {name: [*value] if isinstance(value, tuple) else value for name, value in row.items()}


def compare_choices(
    spec: Spec, what: str, sizes: Mapping[str, int] | None = None, *, max_nodes: int = MAX_NODES
) -> tuple[ChoiceEffect, ...]:
    """Predict the signal of a spec with each `scaling`, each `norm` or each `init` as the default of all its nodes.

    What a node says itself stays. Raises InputError where nothing depends on the choice, and SpecError where the
    spec itself has mistakes.
    """
    if what not in CHOICES:
        raise InputError(f"there is no choice '{what}'{suggest(what, CHOICES) or f': choose of {list(CHOICES)}'}")
    plain = elaborate(spec, sizes, max_nodes=max_nodes).digest()
    rows, digests = [], {plain}
    for word, defaults in CHOICES[what].items():
        chosen = replace(spec, defaults=merge_defaults(spec.defaults, defaults))
        try:
            graph = elaborate(chosen, sizes, max_nodes=max_nodes)
        except SpecError as error:
            rows.append(ChoiceEffect(word, problem=error.diagnostics[0].message))
            continue
        digests.add(graph.digest())
        rows.append(_describe(word, graph, predict_signal(graph)))
    if digests == {plain}:
        raise InputError(f"nothing in {spec.name} depends on the default {what}: its nodes say it, or have none")
    return tuple(rows)


def _describe(word: str, graph: Graph, signal: Signal) -> ChoiceEffect:
    known = [node for node in signal.nodes if node.second_moment is not None]
    final = signal[next(iter(graph.outputs.values()))]
    largest = max(known, key=_second_moment) if len(known) == len(signal.nodes) else None
    ends = _find_ends(graph, signal)
    return ChoiceEffect(
        word,
        final=final.second_moment,
        largest=largest.second_moment if largest else None,
        gradient=_compare_gradients(*ends) if ends else None,
        overflow=signal.overflow.node if signal.overflow else None,
        layers=signal.layers,
        final_doubts=final.doubts,
        largest_doubts=largest.doubts if largest else (),
        gradient_doubts=tuple(sorted({doubt for end in ends or () for doubt in end.gradient_doubts})),
        overflow_doubts=signal.overflow.doubts if signal.overflow else (),
    )


def _second_moment(node: NodeSignal) -> float:
    return node.second_moment or 0.0


def _find_ends(graph: Graph, signal: Signal) -> tuple[NodeSignal, NodeSignal] | None:
    """The results of the first block and of the last one."""
    results = set(signal.blocks.values()) or {node.id for node in graph if node.op.has_kernel}
    steps = [node for node in signal.nodes if node.id in results]
    return (steps[0], steps[-1]) if steps else None


def _compare_gradients(first: NodeSignal, last: NodeSignal) -> float | None:
    """The gradient at the one relative to the other."""
    one, other = first.gradient_second_moment, last.gradient_second_moment
    return one / other if one is not None and other else None
