"""The base of passes. A pass is a rule from a graph and its weights to another pair, which computes the same at
inference unless the pass says otherwise."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from inspect import cleandoc
from types import MappingProxyType
from typing import Any

from compiler.graph import Graph
from compiler.graph_check import verify
from compiler.passes.shared_weights import find_apart, give_own, list_homes, share_again
from compiler.passes.weight_arrays import WeightArrays


@dataclass(frozen=True, slots=True)
class Note:
    """A note of a pass on a node: what became of it, or why it had to stay."""

    node: str
    text: str


@dataclass
class Journal:
    """A journal of what one pass did and could not do, node by node, and which node's value each node of its result
    gives."""

    done: list[Note] = field(default_factory=list)
    left: list[Note] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)

    def did(self, node: str, what: str) -> None:
        """Note that `node`, of the graph before, was removed or rewritten: 'folded into conv_0'."""
        self.done.append(Note(node, what))

    def leave(self, node: str, why: str) -> None:
        """Note why `node`, which might be expected to change, does not: 'its convolution has two readers'."""
        self.left.append(Note(node, why))

    def gives(self, node: str, value: str | None) -> None:
        """Note that `node` of the graph after computes what `value` computed before; None: what no node did.

        Nodes of which nothing is said compute what the node of that name did.
        """
        self.values[node] = value or ""


@dataclass(frozen=True, slots=True)
class AppliedPass:
    """A pass as it ran: its name, its rule (the first paragraph of its docstring) and its journal."""

    name: str
    rule: str
    done: tuple[Note, ...]
    left: tuple[Note, ...]
    values: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        return {
            "pass": self.name,
            "rule": self.rule,
            "done": [{"node": note.node, "text": note.text} for note in self.done],
            "left": [{"node": note.node, "text": note.text} for note in self.left],
        }


@dataclass(frozen=True)
class Pass(ABC):
    """A pass is called; it verifies the graph and its weights before and after `apply`."""

    @abstractmethod
    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]: ...

    def __call__(self, graph: Graph, weights: WeightArrays) -> tuple[Graph, WeightArrays]:
        return run_passes([self], graph, weights)[:2]

    @property
    def name(self) -> str:
        """The name in words: `FoldWeightNorm` → `fold weight norm`."""
        return re.sub(r"(?<!^)(?=[A-Z])", " ", type(self).__name__).lower()

    @property
    def rule(self) -> str:
        """The first paragraph of the docstring, in one line."""
        return " ".join(cleandoc(type(self).__doc__ or "").split("\n\n")[0].split())


SHARING = "Nodes that shared weights before all passes still do where these are equal to the bit."
"""The rule by which weights are shared after passes."""


def run_passes(
    passes: Iterable[Pass], graph: Graph, weights: WeightArrays
) -> tuple[Graph, WeightArrays, tuple[AppliedPass, ...]]:
    """Run passes one after the other; the graph and its weights are verified before the first and after each that
    changed them. No pass sees shared weights: each node has its own, and what is equal at the end is shared again."""
    steps = []
    _check(graph, weights)
    homes = list_homes(graph)
    if homes:
        graph, weights = give_own(graph, weights)
    for one in passes:
        journal = Journal()
        after, arrays = one.apply(graph, weights, journal)
        if after is not graph or arrays is not weights:
            _check(after, arrays)
        graph, weights = after, arrays
        values = MappingProxyType(journal.values)
        steps.append(AppliedPass(one.name, one.rule, tuple(journal.done), tuple(journal.left), values))
    if homes:
        graph, weights = share_again(graph, weights, homes)
        left = tuple(Note(id, "its weights are not those of the others any more") for id in find_apart(graph, homes))
        steps.append(AppliedPass("share weights", SHARING, (), left, {}))
    return graph, weights, tuple(steps)


def trace_value(steps: Iterable[AppliedPass], node: str) -> str | None:
    """Find the node, before all steps, whose value `node` gives after them; None where none gave it."""
    for step in reversed(tuple(steps)):
        node = step.values.get(node, node)
        if not node:
            return None
    return node


def _check(graph: Graph, weights: WeightArrays) -> None:
    verify(graph).check_weights({name: value.shape for name, value in weights.items()})
