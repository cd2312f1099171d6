"""The layers of a graph as a tree of the spec's scopes, with equal neighbours folded into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, groupby
from math import prod
from typing import Any

from archspec.ops import Input
from compiler.analysis.cost import NodeCost, measure_cost
from compiler.graph import Graph


@dataclass(frozen=True)
class Branch:
    """A scope or (without children) a layer; `times` counts the equal neighbours that it stands for."""

    name: str
    label: str
    shape: tuple[int, ...]
    parameters: int
    macs: int
    children: tuple[Branch, ...] = ()
    times: int = 1
    ids: tuple[str, ...] = ()
    """A layer's nodes in the graph: one for each of the equal layers that it stands for, in the graph's order."""

    @cached_property
    def signature(self) -> Any:
        """What has to be equal for two neighbours to be folded: all but names."""
        kind = self.name.partition(".")[0].rstrip("0123456789")
        return (
            kind,
            self.label,
            self.shape,
            self.parameters,
            self.macs,
            tuple((c.signature, c.times) for c in self.children),
        )

    @cached_property
    def layers(self) -> int:
        """How many layers it holds."""
        return sum(child.layers * child.times for child in self.children) or 1

    @cached_property
    def activations(self) -> int:
        """Numbers in the results of its layers; inputs are not counted."""
        if self.children:
            return sum(child.activations * child.times for child in self.children)
        return 0 if self.label == Input.kind else prod(self.shape)

    def to_dict(self) -> dict[str, Any]:
        row: dict[str, Any] = {"name": self.name, "layer": self.label, "shape": list(self.shape)}
        row |= {"parameters": self.parameters, "macs": self.macs, "times": self.times}
        return row | ({"children": [child.to_dict() for child in self.children]} if self.children else {})


@dataclass
class _Scope:
    children: dict[str, _Scope | Branch] = field(default_factory=dict)


def fold_tree(graph: Graph) -> Branch:
    """The tree of a graph; every figure is for one of the equal neighbours, and a scope's are sums."""
    root = _Scope()
    for row in measure_cost(graph).nodes:
        *scopes, name = row.id.split(".")
        scope = root
        for part in scopes:
            inner = scope.children.setdefault(part, _Scope())
            assert isinstance(inner, _Scope)
            scope = inner
        scope.children[name] = _leaf(name, row, graph)
    return _fold(graph.name, root)


def _leaf(name: str, row: NodeCost, graph: Graph) -> Branch:
    op = graph[row.id].op
    fields = ", ".join(f"{name}={fact}" for name, fact in op.chosen.items())
    label = op.word if isinstance(op, Input) or not fields else f"{op.word}({fields})"
    return Branch(name, label, tuple(row.shape), row.parameters + row.frozen, row.macs, ids=(row.id,))


def _fold(name: str, scope: _Scope) -> Branch:
    branches = [item if isinstance(item, Branch) else _fold(key, item) for key, item in scope.children.items()]
    runs = (list(run) for _, run in groupby(branches, key=lambda branch: branch.signature))
    folded = [run[0] if len(run) == 1 else replace(_join(run), times=len(run)) for run in runs]
    if len(folded) == 1 and folded[0].children and folded[0].times == 1:
        return replace(folded[0], name=f"{name}.{folded[0].name}")  # a scope of one scope is one line
    parameters = sum(child.parameters * child.times for child in folded)
    macs = sum(child.macs * child.times for child in folded)
    return Branch(name, "", folded[-1].shape, parameters, macs, tuple(folded))


def _join(equal: Sequence[Branch]) -> Branch:
    """One branch for equal ones, with the nodes of all."""
    children = tuple(map(_join, zip(*(branch.children for branch in equal), strict=True)))
    ids = tuple(chain.from_iterable(branch.ids for branch in equal))
    return replace(equal[0], children=children, ids=ids)
