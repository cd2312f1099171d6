"""What each scaling of residual bodies, each normalization or each initialization would do to a network's signal: the
same spec compiled with other defaults, and its signal predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from archspec.errors import ArchspecError, SpecError, suggest
from archspec.ops import NORMALIZATIONS, OPS, Init
from archspec.spec.document import merge_defaults
from archspec.spec.load import Spec
from archspec.spec.nodes import Scaling
from compiler.analysis.signal import NodeSignal, Signal, predict_signal
from compiler.elaborate import MAX_NODES, elaborate
from compiler.graph import Graph

CHOICES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "scaling": {word: {"residual": {"scaling": word}} for word in get_args(Scaling)},
    "norm": {word: {"norm": {"kind": word}} for word in ("none", *NORMALIZATIONS, "weight")},
    "init": {word: {op.kind: {"init": word} for op in OPS if op.mixes} for word in get_args(Init)},
}
"""For each question the defaults that answer it, by the word for the choice."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What one choice does.

    `final` is the second moment at the first output, `largest` the largest one anywhere. `gradient` is the second
    moment of the gradient at the result of the first block relative to that of the last: above one it grows on its way
    back. Where there are no blocks, layers with a kernel stand for them. None where nothing is known, or nothing
    arrives. `overflow` is the node where fp16 overflows. `problem` says why the network cannot be had.
    """

    word: str
    final: float | None = None
    largest: float | None = None
    gradient: float | None = None
    overflow: str | None = None
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def compare_choices(
    spec: Spec, what: str, sizes: Mapping[str, int] | None = None, *, max_nodes: int = MAX_NODES
) -> tuple[Choice, ...]:
    """Predict the signal of a spec with each `scaling`, each `norm` or each `init` as the default of all its nodes.

    What a node says itself stays. Raises ArchspecError where nothing depends on the choice, and SpecError where the
    spec itself has mistakes.
    """
    if what not in CHOICES:
        raise ArchspecError(f"there is no choice '{what}'{suggest(what, CHOICES) or f': choose of {list(CHOICES)}'}")
    plain = elaborate(spec, sizes, max_nodes=max_nodes).digest()
    rows, digests = [], {plain}
    for word, defaults in CHOICES[what].items():
        chosen = replace(spec, defaults=merge_defaults(spec.defaults, defaults))
        try:
            graph = elaborate(chosen, sizes, max_nodes=max_nodes)
        except SpecError as error:
            rows.append(Choice(word, problem=error.diagnostics[0].message))
            continue
        digests.add(graph.digest())
        rows.append(_describe(word, graph, predict_signal(graph)))
    if digests == {plain}:
        raise ArchspecError(f"nothing in {spec.name} depends on the default {what}: its nodes say it, or have none")
    return tuple(rows)


def _describe(word: str, graph: Graph, signal: Signal) -> Choice:
    known = [node.second_moment for node in signal.nodes if node.second_moment is not None]
    return Choice(
        word,
        final=signal[next(iter(graph.outputs.values()))].second_moment,
        largest=max(known) if len(known) == len(signal.nodes) else None,
        gradient=_compare_ends(graph, signal),
        overflow=signal.overflow.node if signal.overflow else None,
    )


def _compare_ends(graph: Graph, signal: Signal) -> float | None:
    """The gradient at the first block's result relative to the last one's."""
    results = set(signal.blocks.values()) or {node.id for node in graph if node.op.mixes}
    steps: list[NodeSignal] = [node for node in signal.nodes if node.id in results]
    if not steps:
        return None
    first, last = steps[0].gradient_second_moment, steps[-1].gradient_second_moment
    return first / last if first is not None and last else None
