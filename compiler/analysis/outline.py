"""The layers of a graph as a tree of the spec's scopes, with equal neighbours folded into one."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from math import prod
from typing import Any

from archspec.ops import Input, Op
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.cost.node import NodeCost
from compiler.graph import Graph, Node
from compiler.scope_tree import ScopeTree, name_in_scope, read_scopes
from compiler.tree import LayerName, fold, name_layer


@dataclass(frozen=True)
class Branch:
    """A scope or (without children) a layer; `times` counts the equal neighbours that it stands for."""

    name: str
    layer: LayerName | None
    shape: tuple[int, ...]
    parameters: int
    macs: int
    children: tuple[Branch, ...] = ()
    times: int = 1
    ids: tuple[str, ...] = ()
    """A layer's nodes in the graph: one for each of the equal layers that it stands for, in the graph's order."""
    carried: Hashable = None
    """The fields that a layer's operation carries, whatever its input."""
    kept: Hashable = None
    """The types of numbers in which a layer of a file computes and is stored, and whether it ends a block."""
    copies: tuple[Branch, ...] = field(default=(), repr=False, compare=False)
    """The equal neighbours that it stands for, if they are several."""
    shared: str = ""
    """The path under which a layer's weights are named, where others have them too."""
    unknown: int = 0
    """The number of operations in it of which no analysis knows anything: there its parameters and MACs are the least
    there are."""

    @cached_property
    def signature(self) -> Hashable:
        """The properties that have to be equal for two neighbours to be folded: everything but names."""
        return self.kind, self.figures, self.form, self.kept, tuple(child.signature for child in self.children)

    @cached_property
    def form(self) -> Hashable:
        """The operations in it, without names and figures: they say what it does with any input."""
        return self.carried, tuple((child.form, child.times) for child in self.children)

    @cached_property
    def skeleton(self) -> Hashable:
        """The kinds of its operations, in their order and number."""
        return self.word, tuple((child.skeleton, child.times) for child in self.children)

    @property
    def word(self) -> str:
        """The word of a layer; a scope has none."""
        return self.layer.kind if self.layer else ""

    @property
    def kind(self) -> str:
        """The name without numbers."""
        return self.name.partition(".")[0].rstrip("0123456789_")

    @property
    def figures(self) -> Hashable:
        """The numbers that it has for each of the equal neighbours."""
        return self.shape, self.parameters, self.macs

    @cached_property
    def layers(self) -> int:
        """The number of layers in it."""
        return sum(child.layers * child.times for child in self.children) or 1

    @cached_property
    def activations(self) -> int:
        """The number of elements in the results of its layers; inputs are not counted."""
        if self.children:
            return sum(child.activations * child.times for child in self.children)
        return 0 if self.word == Input.kind else prod(self.shape)

    def to_dict(self, depth: int | None = None) -> dict[str, Any]:
        """Give the tree as data, or its first `depth` levels below this one."""
        row: dict[str, Any] = {"name": self.name, "layer": str(self.layer or ""), "shape": list(self.shape)}
        row |= {"parameters": self.parameters, "macs": self.macs, "times": self.times}
        row |= {"weights_of": self.shared} if self.shared else {}
        row |= {"unknown": self.unknown} if self.unknown else {}
        if not self.children or depth == 0:
            return row
        deeper = None if depth is None else depth - 1
        return row | {"children": [child.to_dict(deeper) for child in self.children]}


def fold_tree(graph: Graph, scope: str = "") -> Branch:
    """Fold the tree of a graph, or of one of its scopes, by its path; every figure is for one of the equal neighbours,
    and a scope's are sums."""
    tree = read_scopes(graph.nodes, graph.name)
    while tree.path != scope:
        tree = next(
            item for item in tree.items if isinstance(item, ScopeTree) and f"{scope}.".startswith(f"{item.path}.")
        )
    return fold(tree, _Outline(graph))


def list_layers(graph: Graph) -> tuple[Branch, ...]:
    """List the layers of a graph without scopes, by their whole names."""
    return tuple(replace(_leaf(row.id, row, graph), name=row.id) for row in measure_cost(graph).nodes)


def list_fields(op: Op) -> dict[str, Any]:
    """List the fields that an operation carries, but for those that say again what shape its result has."""
    return {name: value for name, value in op if name not in op.restates}


def list_types(node: Node) -> dict[str, Any]:
    """List what a node says beside its operation: in which types a file has its numbers and stored tensors (None of a
    spec), and whether it ends a residual or dense block."""
    stored = None if node.stored is None else tuple((name, weight.type) for name, weight in node.stored.items())
    return {"type": node.type, "stored": stored, "block": node.body is not None}


def _leaf(id: str, row: NodeCost, graph: Graph) -> Branch:
    node = graph[id]
    op = node.op
    fields = ((key, repr(value)) for key, value in list_fields(op).items())  # as text, since no NaN equals another
    return Branch(
        name=name_in_scope(id),
        layer=name_layer(op),
        shape=tuple(row.shape),
        parameters=row.parameters + row.frozen,
        macs=row.macs,
        ids=(id,),
        carried=(op.kind, *fields),
        kept=tuple(list_types(node).values()),
        shared=node.home if len(graph.users[node.home]) > 1 else "",
        unknown=int(op.unknown is not None),
    )


class _Outline:
    """The rules of the outline: neighbours are one whose layers and figures are equal, whatever they are called."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.costs = {row.id: row for row in measure_cost(graph).nodes}

    def take(self, id: str) -> Branch:
        return _leaf(id, self.costs[id], self.graph)

    def group(self, branches: Iterable[Branch]) -> Iterable[Branch]:
        return branches

    def continues(self, run: Sequence[Branch], branch: Branch) -> bool:
        return run[0].signature == branch.signature

    def join(self, run: Sequence[Branch]) -> Branch:
        return replace(_join(run), times=len(run), copies=tuple(run))

    def close(self, scope: ScopeTree, branches: Sequence[Branch]) -> Branch:
        first = branches[0]
        if len(branches) == 1 and first.children and first.times == 1:
            return replace(first, name=f"{scope.title}.{first.name}")  # a scope of one scope is one line
        return Branch(
            name=scope.title,
            layer=None,
            shape=branches[-1].shape,
            parameters=sum(child.parameters * child.times for child in branches),
            macs=sum(child.macs * child.times for child in branches),
            children=tuple(branches),
            unknown=sum(child.unknown * child.times for child in branches),
        )


def _join(equal: Sequence[Branch]) -> Branch:
    """Make one branch of equal ones, with the nodes of all."""
    children = tuple(map(_join, zip(*(branch.children for branch in equal), strict=True)))
    copies = tuple(map(_join, zip(*(branch.copies for branch in equal), strict=True)))
    ids = tuple(chain.from_iterable(branch.ids for branch in equal))
    return replace(equal[0], children=children, copies=copies, ids=ids)
