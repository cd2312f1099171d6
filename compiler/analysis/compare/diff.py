"""What changed between two networks: their layers, how these are joined, and the numbers.

The scopes of both are aligned level by level as outlines in which equal neighbours are folded. At each level first come
those that are equal, as many as possible in order; what is left between them is aligned by name, then by kind.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import Any, Literal, TypeAlias

from archspec.ops import Op, Window
from compiler.analysis.compare.alignment import match
from compiler.analysis.compare.conditions import ConditionError, answer, find_numbers
from compiler.analysis.outline import Branch, fold_tree
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
"""The numbers that are compared, by their keys in `analyze --json`."""

Kind: TypeAlias = Literal["same", "resized", "changed", "removed", "added"]


@dataclass(frozen=True)
class Figure:
    """One number of both networks, or one for each spatial axis; None where a network has none."""

    key: str
    a: tuple[int, ...] | None
    b: tuple[int, ...] | None

    @property
    def difference(self) -> int | None:
        """How much more the second has, where each has one number."""
        return None if self._both is None else self._both[1] - self._both[0]

    @property
    def ratio(self) -> Fraction | None:
        """How many times the first's number the second's is."""
        return None if self._both is None or not self._both[0] else Fraction(self._both[1], self._both[0])

    @property
    def _both(self) -> tuple[int, int] | None:
        """The two numbers, where each network has one, or the same along all axes."""
        sides = [set(numbers or ()) for numbers in (self.a, self.b)]
        return (sides[0].pop(), sides[1].pop()) if all(len(side) == 1 for side in sides) else None

    def to_dict(self) -> dict[str, Any]:
        ratio = self.ratio
        row = {"a": _as_data(self.a), "b": _as_data(self.b), "difference": self.difference}
        return row | {"ratio": None if ratio is None else _as_float(ratio)}


@dataclass(frozen=True)
class Change:
    """A scope, or (without children) a layer, in the first network (`a`), the second (`b`), or both.

    `resized` is a layer with the same fields whose input has changed, or a scope in which no more has happened.
    """

    kind: Kind
    a: Branch | None
    b: Branch | None
    fields: Mapping[str, tuple[Any, Any]]
    """The fields of a layer that differ, in both."""
    children: tuple[Change, ...] = ()

    def count(self, what: Literal["parameters", "macs", "activations"]) -> tuple[int, int]:
        """The sum over the equal neighbours, in both; 0 where it is not there."""
        a, b = (0 if side is None else getattr(side, what) * side.times for side in (self.a, self.b))
        return a, b

    def to_dict(self) -> dict[str, Any]:
        sides = {"a": self.a, "b": self.b}
        row: dict[str, Any] = {"change": self.kind}
        row |= {side: None if branch is None else _describe(branch) for side, branch in sides.items()}
        row |= {"fields": {name: list(values) for name, values in self.fields.items()}} if self.fields else {}
        return row | ({"children": [child.to_dict() for child in self.children]} if self.children else {})


@dataclass(frozen=True)
class Rewiring:
    """A node that is in both networks and reads other values."""

    a: str
    b: str
    reads_a: tuple[str, ...]
    reads_b: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"a": self.a, "b": self.b, "reads_a": list(self.reads_a), "reads_b": list(self.reads_b)}


@dataclass(frozen=True)
class Diff:
    """All differences of two networks. `partners` maps the nodes of the first to those of the second that stand for
    them; `outputs` are those that come from another node or are in one network alone, with the node in both."""

    a: Graph
    b: Graph
    figures: tuple[Figure, ...]
    changes: tuple[Change, ...]
    partners: Mapping[str, str]
    rewired: tuple[Rewiring, ...]
    outputs: Mapping[str, tuple[str | None, str | None]]

    @cached_property
    def renamed(self) -> dict[str, str]:
        """Nodes whose ids differ, and with them the names of their weights."""
        return {a: b for a, b in self.partners.items() if a != b}

    @property
    def same_structure(self) -> bool:
        """Whether both have the same layers at the same sizes, joined in the same way; names may differ."""
        return all(change.kind == "same" for change in self.changes) and not self.rewired and not self.outputs

    @property
    def equal(self) -> bool:
        return self.same_structure and not self.renamed

    def to_dict(self) -> dict[str, Any]:
        return {
            "a": _describe_graph(self.a),
            "b": _describe_graph(self.b),
            "equal": self.equal,
            "figures": {figure.key: figure.to_dict() for figure in self.figures},
            "changes": [change.to_dict() for change in self.changes],
            "rewired": [item.to_dict() for item in self.rewired],
            "outputs": {name: {"a": a, "b": b} for name, (a, b) in self.outputs.items()},
            "renamed": self.renamed,
        }


def diff_graphs(a: Graph, b: Graph, **settings: Any) -> Diff:
    """Compare two networks. `settings` are those of `analyze` (batch, precision, optimizer), for the memory."""
    changes = _Comparison(a, b).align(fold_tree(a).children, fold_tree(b).children)
    partners = dict(_find_partners(changes))
    return Diff(a, b, _compare_figures(a, b, settings), changes, partners, *_compare_edges(a, b, partners))


def _compare_figures(a: Graph, b: Graph, settings: Mapping[str, Any]) -> tuple[Figure, ...]:
    found = [answer(graph, FIGURES, **settings) for graph in (a, b)]
    figures = (Figure(key, *(_find(data, key) for data in found)) for key in FIGURES)
    return tuple(figure for figure in figures if figure.a or figure.b)


def _find(data: Mapping[str, Any], key: str) -> tuple[int, ...] | None:
    try:
        return tuple(int(number.value) for number in find_numbers(data, key))
    except ConditionError:  # a vector has no receptive field
        return None


# ---- aligning the outlines -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Comparison:
    a: Graph
    b: Graph

    def align(self, a: Sequence[Branch], b: Sequence[Branch], turn: int = 0) -> tuple[Change, ...]:
        """The changes between siblings, in order; of what is in one place, first what is removed."""
        if not a or not b or turn == len(_KEYS):
            removed = [Change("removed", branch, None, {}) for branch in a]
            return (*removed, *(Change("added", None, branch, {}) for branch in b))
        first, second = ([(_KEYS[turn](branch), branch.layers) for branch in side] for side in (a, b))
        pairs = match(first, second)
        changes: list[Change] = []
        i = j = 0
        for k, m in pairs:
            changes += [*self.align(a[i:k], b[j:m], turn + 1), self.compare(a[k], b[m])]
            i, j = k + 1, m + 1
        return (*changes, *self.align(a[i:], b[j:], turn + 1))

    def compare(self, a: Branch, b: Branch) -> Change:
        if not a.children:
            fields = _compare_fields(self.a[a.ids[0]].op, self.b[b.ids[0]].op)
            figures_differ = (a.shape, a.parameters, a.macs) != (b.shape, b.parameters, b.macs)
            changed = fields or a.times != b.times
            return Change("changed" if changed else "resized" if figures_differ else "same", a, b, fields)
        a, b = _level(a, b)
        children = self.align(a.children, b.children)
        kinds = {child.kind for child in children}
        altered = a.times != b.times or bool(kinds & {"changed", "removed", "added"})
        return Change("changed" if altered else "resized" if "resized" in kinds else "same", a, b, {}, children)


def _compare_fields(first: Op, second: Op) -> dict[str, tuple[Any, Any]]:
    """The fields that differ. `padding: same` is the number that it stands for."""
    if first.kind != second.kind:
        return {"layer": (first.kind, second.kind)}
    values = {
        name: (getattr(first, name), getattr(second, name))
        for name in type(first).model_fields
        if name in type(second).model_fields
    }
    differing = {name: pair for name, pair in values.items() if pair[0] != pair[1]}
    window = getattr(first, "window", None)
    if isinstance(window, Window) and window == getattr(second, "window", None):
        differing.pop("padding", None)
    return differing


def _level(a: Branch, b: Branch) -> tuple[Branch, Branch]:
    """Two scopes so that their children can be compared. A name of several scopes (`i0.bottleneck_0`) is that of the
    innermost where both end in the same kind; else what one has more of it becomes a scope inside."""
    depths = [branch.name.count(".") for branch in (a, b)]
    depth = max(depths) if _last_kind(a) == _last_kind(b) else min(depths)
    return _cut(a, depth), _cut(b, depth)


def _cut(branch: Branch, depth: int) -> Branch:
    names = branch.name.split(".")
    outer, inner = ".".join(names[: depth + 1]), ".".join(names[depth + 1 :])
    return replace(branch, name=outer, children=(replace(branch, name=inner, times=1),)) if inner else branch


def _name(branch: Branch) -> Hashable:
    return bool(branch.children), branch.name


def _first_kind(branch: Branch) -> Hashable:
    """Of a layer, its operation."""
    inside = bool(branch.children)
    return inside, branch.name.partition(".")[0].rstrip("0123456789") if inside else branch.label.partition("(")[0]


def _last_kind(branch: Branch) -> Hashable:
    return bool(branch.children), branch.name.rpartition(".")[2].rstrip("0123456789")


_KEYS: tuple[Callable[[Branch], Hashable], ...] = (lambda branch: branch.signature, _name, _first_kind, _last_kind)
"""What has to be equal in two siblings to be taken for the same, one turn after the other."""


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


def _compare_edges(
    a: Graph, b: Graph, partners: Mapping[str, str]
) -> tuple[tuple[Rewiring, ...], dict[str, tuple[str | None, str | None]]]:
    """Nodes and outputs that read something else, other than because it was removed or added."""
    known = set(partners.values())

    def differ(first: str, second: str) -> bool:
        return first in partners and second in known and partners[first] != second

    rewired = []
    for first, second in partners.items():
        reads = a[first].inputs, b[second].inputs
        if any(map(differ, *reads)):
            rewired.append(Rewiring(first, second, *reads))
    names = [*a.outputs, *(name for name in b.outputs if name not in a.outputs)]
    ends = {name: (a.outputs.get(name), b.outputs.get(name)) for name in names}
    moved = {
        name: (first, second)
        for name, (first, second) in ends.items()
        if first is None or second is None or differ(first, second)
    }
    return tuple(rewired), moved


# ---- as data ---------------------------------------------------------------------------------------------------------


def _describe(branch: Branch) -> dict[str, Any]:
    row: dict[str, Any] = {"name": branch.name, "layer": branch.label, "shape": list(branch.shape)}
    counts = {what: getattr(branch, what) for what in ("parameters", "macs", "activations")}
    return row | counts | {"times": branch.times}


def _describe_graph(graph: Graph) -> dict[str, Any]:
    return {"name": graph.name, "sizes": dict(graph.sizes)}


def _as_data(numbers: tuple[int, ...] | None) -> Any:
    return None if numbers is None else numbers[0] if len(numbers) == 1 else list(numbers)


def _as_float(ratio: Fraction) -> float | None:
    """None beyond what a float holds: counts of paths may be."""
    try:
        return float(ratio)
    except OverflowError:
        return None
