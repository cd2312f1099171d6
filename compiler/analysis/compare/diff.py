"""Differences of two networks: in their layers, in how these are joined, and in their numbers.

Two networks that differ in names alone are found as such by their structure. The scopes of others are aligned level by
level as outlines in which equal neighbours are folded: so that what is paired is as alike as possible, first of all in
what it does, then in its name, then in its numbers.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import Any, Literal, TypeAlias

from archspec.ops import Input
from compiler.analysis.certainty import Mark
from compiler.analysis.compare.alignment import Item, match
from compiler.analysis.compare.conditions import answer, find_numbers
from compiler.analysis.compare.structure import Rewiring, compare_nodes, compare_outputs, find_rewired, find_same
from compiler.analysis.compare.units import ConditionError
from compiler.analysis.memory.setup import USUAL, TrainingSetup
from compiler.analysis.outline import Branch, fold_tree, list_layers
from compiler.analysis.unknown import find_unknown
from compiler.graph import Graph

FIGURES = (
    "parameters.trainable",
    "parameters.frozen",
    "parameters.buffers",
    "macs.total",
    "activations.elements",
    "nodes.count",
    "paths.op.total",
    "receptive_field.size",
    "memory.inference_peak_bytes",
    "memory.training_saved_bytes",
)
"""The numbers that are compared, by their keys in `analyze --json`. Of several receptive fields each is one."""

ChangeKind: TypeAlias = Literal["same", "resized", "changed", "removed", "added"]


@dataclass(frozen=True)
class ComparedFigure:
    """One number of both networks, or one for each spatial axis; None where a network has none."""

    key: str
    a: tuple[int, ...] | None
    b: tuple[int, ...] | None
    marks: tuple[Mark | None, Mark | None] = (None, None)
    """The marks of both numbers, None for one that is exact."""

    @property
    def difference(self) -> int | None:
        """The second number less the first, where each network has one exact number."""
        return None if self._both is None else self._both[1] - self._both[0]

    @property
    def ratio(self) -> Fraction | None:
        """The second number as a multiple of the first, where each network has one exact number."""
        return None if self._both is None or not self._both[0] else Fraction(self._both[1], self._both[0])

    @property
    def _both(self) -> tuple[int, int] | None:
        """The two numbers, where each network has one, or the same along all axes."""
        sides = [set(numbers or ()) for numbers in (self.a, self.b)]
        exact = self.marks == (None, None) and all(len(side) == 1 for side in sides)
        return (sides[0].pop(), sides[1].pop()) if exact else None

    def to_dict(self) -> dict[str, Any]:
        ratio = self.ratio
        row = {"a": _as_data(self.a), "b": _as_data(self.b), "difference": self.difference}
        marks = {side: mark.to_dict() for side, mark in zip("ab", self.marks, strict=True) if mark}
        return row | {"ratio": None if ratio is None else _as_float(ratio)} | ({"marks": marks} if marks else {})


@dataclass(frozen=True)
class Change:
    """A scope, or (without children) a layer, in the first network (`a`), the second (`b`), or both.

    `resized` is a layer with the same fields whose input has changed, or a scope in which no more has happened.
    """

    kind: ChangeKind
    a: Branch | None
    b: Branch | None
    fields: Mapping[str, tuple[Any, Any]]
    """The fields of a layer that differ, in both."""
    children: tuple[Change, ...] = ()

    def count(self, what: Literal["parameters", "macs", "activations"]) -> tuple[int, int]:
        """The sum of a figure over the equal neighbours, in both; 0 where it is not there."""
        a, b = (0 if side is None else getattr(side, what) * side.times for side in (self.a, self.b))
        return a, b

    def to_dict(self) -> dict[str, Any]:
        sides = {"a": self.a, "b": self.b}
        row: dict[str, Any] = {"change": self.kind}
        row |= {side: None if branch is None else _describe(branch) for side, branch in sides.items()}
        row |= {"fields": {name: list(values) for name, values in self.fields.items()}} if self.fields else {}
        return row | ({"children": [child.to_dict() for child in self.children]} if self.children else {})


@dataclass(frozen=True)
class Diff:
    """All differences of two networks. `partners` maps the nodes of the first to those of the second that stand for
    them; `outputs` are those that come from another node or are in one network alone, with the node in both;
    `output_names` are those that come from the same node by another name, with that."""

    a: Graph
    b: Graph
    figures: tuple[ComparedFigure, ...]
    changes: tuple[Change, ...]
    partners: Mapping[str, str]
    rewired: tuple[Rewiring, ...] = ()
    outputs: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    output_names: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def renamed(self) -> dict[str, str]:
        """The nodes whose ids differ, and with them the names of their weights."""
        return {a: b for a, b in self.partners.items() if a != b}

    @property
    def same_structure(self) -> bool:
        """True if both have the same layers at the same sizes, joined in the same way; names may differ, and the values
        of weights, which are not looked at."""
        paired = len(self.partners) == len(self.a) == len(self.b)
        return paired and all(change.kind == "same" for change in self.changes) and not (self.rewired or self.outputs)

    @property
    def equal(self) -> bool:
        return self.same_structure and not (self.renamed or self.output_names)

    def to_dict(self) -> dict[str, Any]:
        return {
            "a": _describe_graph(self.a),
            "b": _describe_graph(self.b),
            "equal": self.equal,
            "same_structure": self.same_structure,
            "compared": {"weight_values": False},
            "figures": {figure.key: figure.to_dict() for figure in self.figures},
            "changes": [change.to_dict() for change in self.changes],
            "rewired": [item.to_dict() for item in self.rewired],
            "outputs": {name: {"a": a, "b": b} for name, (a, b) in self.outputs.items()},
            "output_names": dict(self.output_names),
            "renamed": self.renamed,
        }


def diff_graphs(a: Graph, b: Graph, setup: TrainingSetup = USUAL) -> Diff:
    """Compare two networks; the `setup` is that of the memory."""
    figures = _compare_figures(a, b, setup)
    partners = find_same(a, b)
    if partners is None:
        changes = _Comparison(a, b).align(fold_tree(a).children, fold_tree(b).children)
        partners = dict(_find_partners(changes))
    else:
        changes = _list_same(a, b, partners)
    rewired = tuple(find_rewired(a, b, partners))
    return Diff(a, b, figures, changes, partners, rewired, *compare_outputs(a, b, partners))


def _list_same(a: Graph, b: Graph, partners: Mapping[str, str]) -> tuple[Change, ...]:
    """The layers of two networks that are the same: scope by scope, where these are, else one by one."""
    trees = fold_tree(a), fold_tree(b)
    if trees[0].children == trees[1].children:
        return tuple(Change("same", one, other, {}) for one, other in zip(*(t.children for t in trees), strict=True))
    layers = {layer.name: layer for layer in list_layers(b)}
    return tuple(Change("same", layer, layers[partners[layer.name]], {}) for layer in list_layers(a))


def _compare_figures(a: Graph, b: Graph, setup: TrainingSetup) -> tuple[ComparedFigure, ...]:
    data = [answer(graph, FIGURES, setup=setup) for graph in (a, b)]
    figures = [_find_figure(key, data) for key in _list_keys(data)]
    return tuple(figure for figure in figures if figure.a or figure.b)


def _list_keys(data: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The keys of all figures: of a network that sees several inputs, or has several outputs, one for each of both."""
    seen = [[(name, x) for name, fields in one["receptive_field"]["by_output"].items() for x in fields] for one in data]
    several = max(map(len, seen)) > 1
    for key in FIGURES:
        if key == "receptive_field.size" and several:
            yield from (f"receptive_field.by_output.{name}.{x}.size" for name, x in dict.fromkeys(seen[0] + seen[1]))
        else:
            yield key


def _find_figure(key: str, data: Sequence[Mapping[str, Any]]) -> ComparedFigure:
    found = [_find(one, key) for one in data]
    return ComparedFigure(key, found[0][0], found[1][0], (found[0][1], found[1][1]))


def _find(data: Mapping[str, Any], key: str) -> tuple[tuple[int, ...] | None, Mark | None]:
    try:
        numbers = find_numbers(data, key)
    except ConditionError:  # a vector has no receptive field
        return None, None
    return tuple(int(number.value) for number in numbers), numbers[0].mark


# ---- aligning the outlines -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Comparison:
    a: Graph
    b: Graph

    def align(self, a: Sequence[Branch], b: Sequence[Branch]) -> tuple[Change, ...]:
        """The changes between siblings, in order; of what is in one place, first what is removed. Where as many are
        folded in another way, one of several that are equal in one network is another in the other."""
        times = [[branch.times for branch in side] for side in (a, b)]
        if times[0] != times[1] and sum(times[0]) == sum(times[1]):
            a, b = ([copy for branch in side for copy in branch.copies or (branch,)] for side in (a, b))
        changes: list[Change] = []
        i = j = 0
        for k, m in [*match(list(map(_list_keys_of, a)), list(map(_list_keys_of, b)), SCORES), (len(a), len(b))]:
            changes += [Change("removed", branch, None, {}) for branch in a[i:k]]
            changes += [Change("added", None, branch, {}) for branch in b[j:m]]
            changes += [self.compare(a[k], b[m])] if k < len(a) else []
            i, j = k + 1, m + 1
        return tuple(changes)

    def compare(self, a: Branch, b: Branch) -> Change:
        if not a.children:
            return self._compare_layers(a, b)
        a, b = _level(a, b)
        children = self.align(a.children, b.children)
        kinds = {child.kind for child in children}
        altered = a.times != b.times or bool(kinds & {"changed", "removed", "added"})
        return Change("changed" if altered else "resized" if "resized" in kinds else "same", a, b, {}, children)

    def _compare_layers(self, a: Branch, b: Branch) -> Change:
        first, second = self.a[a.ids[0]], self.b[b.ids[0]]
        fields = compare_nodes(first, second)
        figures_differ = (a.shape, a.parameters, a.macs) != (b.shape, b.parameters, b.macs)
        resized = isinstance(first.op, Input) or self.a.operands(first) != self.b.operands(second)
        if figures_differ and not fields and not resized:
            fields = {"result": (a.shape, b.shape)} if a.shape != b.shape else {"weights": (a.parameters, b.parameters)}
        changed = fields or a.times != b.times
        return Change("changed" if changed else "resized" if figures_differ else "same", a, b, fields)


def _level(a: Branch, b: Branch) -> tuple[Branch, Branch]:
    """Level two scopes so that their children can be compared. A name of several scopes (`i0.bottleneck_0`) is that of
    the innermost where both end in the same kind; else what one has more of it becomes a scope inside."""
    depths = [branch.name.count(".") for branch in (a, b)]
    kinds = [branch.name.rpartition(".")[2].rstrip("0123456789_") for branch in (a, b)]
    depth = max(depths) if kinds[0] == kinds[1] else min(depths)
    return _cut(a, depth), _cut(b, depth)


def _cut(branch: Branch, depth: int) -> Branch:
    names = branch.name.split(".")
    outer, inner = ".".join(names[: depth + 1]), ".".join(names[depth + 1 :])
    return replace(branch, name=outer, children=(replace(branch, name=inner, times=1),)) if inner else branch


SCORES = (22, 21, 18, 17, 16, 12, 8, 4, 3)
"""The worth of two siblings that are equal in each of the keys of an item, for each of the layers that they hold. What
does the same counts more than the same name, but less than the same kinds of layers by the same name for all of them: a
network that is wider throughout keeps its names."""


def _list_keys_of(branch: Branch) -> Item:
    inside = bool(branch.children)
    kind = branch.word
    first, last = (
        part.rstrip("0123456789_") for part in (branch.name.partition(".")[0], branch.name.rpartition(".")[2])
    )
    keys: tuple[Hashable, ...] = (
        (branch.form, branch.name, branch.figures),
        (branch.form, branch.name),
        (branch.form, branch.figures),
        (branch.form,),
        (branch.skeleton, branch.name),
        (branch.skeleton,),
        (inside, branch.name),
        (inside, first if inside else kind),
        (inside, last if inside else kind),
    )
    return Item(keys, branch.layers)


# ---- how the layers are joined ---------------------------------------------------------------------------------------


def _find_partners(
    changes: Sequence[Change], times: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
) -> Iterator[tuple[str, str]]:
    """The nodes of both networks that stand for each other. `times` are those of the scopes around, in both."""
    for change in changes:
        if change.a is None or change.b is None:
            continue
        inside = ((*times[0], change.a.times), (*times[1], change.b.times))
        if change.children:
            yield from _find_partners(change.children, inside)
            continue
        for turn in product(*(range(min(pair)) for pair in zip(*inside, strict=True))):
            yield change.a.ids[_flatten(turn, inside[0])], change.b.ids[_flatten(turn, inside[1])]


def _flatten(turn: Sequence[int], times: Sequence[int]) -> int:
    """The number of a repeated layer among all its copies."""
    number = 0
    for index, count in zip(turn, times, strict=True):
        number = number * count + index
    return number


# ---- as data ---------------------------------------------------------------------------------------------------------


def _describe(branch: Branch) -> dict[str, Any]:
    row: dict[str, Any] = {"name": branch.name, "layer": str(branch.layer or ""), "shape": list(branch.shape)}
    counts = {what: getattr(branch, what) for what in ("parameters", "macs", "activations")}
    return row | counts | {"times": branch.times}


def _describe_graph(graph: Graph) -> dict[str, Any]:
    unknown = find_unknown(graph)
    return {"name": graph.name, "sizes": dict(graph.sizes)} | ({"unknown": unknown} if unknown else {})


def _as_data(numbers: tuple[int, ...] | None) -> Any:
    return None if numbers is None else numbers[0] if len(numbers) == 1 else list(numbers)


def _as_float(ratio: Fraction) -> float | None:
    """Convert a number, to None beyond what a float holds: counts of paths may be."""
    try:
        return float(ratio)
    except OverflowError:
        return None
