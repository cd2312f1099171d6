"""Structural comparison: of two nodes, of two networks up to their names, and of the values that their nodes read."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from archspec.ops import Conv, ConvTranspose, DeformConv, Input, Window
from archspec.ops.pooling import Pool
from compiler.analysis.outline import list_fields, list_types
from compiler.graph import Graph, Node

OutputPairs = Mapping[str, str]
"""Outputs of one network, and by them those of another that stand for them."""


@dataclass(frozen=True)
class Rewiring:
    """A node that is in both networks and reads other values."""

    a: str
    b: str
    reads_a: tuple[str, ...]
    reads_b: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"a": self.a, "b": self.b, "reads_a": list(self.reads_a), "reads_b": list(self.reads_b)}


# ---- two nodes -------------------------------------------------------------------------------------------------------


def compare_nodes(a: Node, b: Node) -> dict[str, tuple[Any, Any]]:
    """List the properties in which two nodes differ, by their names. `padding: same` is the number that it stands for;
    a spec says nothing of types and stored tensors."""
    types = zip(list_types(a).items(), list_types(b).values(), strict=True)
    kept = {name: (first, second) for (name, first), second in types if None not in (first, second)}
    return _keep_differing(_pair_fields(a, b) | kept)


def _pair_fields(a: Node, b: Node) -> dict[str, tuple[Any, Any]]:
    if a.op.kind != b.op.kind:
        words = a.op.word, b.op.word
        return {"layer": words if words[0] != words[1] else (a.op.kind, b.op.kind)}
    first, second = list_fields(a.op), list_fields(b.op)
    pairs = {name: (first.get(name), second.get(name)) for name in first | second}
    if "padding" in pairs and _find_windows(a) == _find_windows(b) is not None:
        pairs.pop("padding")
    return pairs


def _find_windows(node: Node) -> tuple[Window, ...] | None:
    """The windows of a node, whose padding may be said by a rule or by numbers; none where the rule goes by the size of
    what it reads."""
    if not isinstance(node.op, Conv | ConvTranspose | DeformConv | Pool) or "same_end" in str(node.op.padding):
        return None
    return node.op.windows(node.shape)


def _keep_differing(pairs: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    """Keep the fields that differ, compared as text too, since no NaN equals another."""
    return {name: (a, b) for name, (a, b) in pairs.items() if a != b and repr(a) != repr(b)}


# ---- two networks ----------------------------------------------------------------------------------------------------


def find_same(a: Graph, b: Graph) -> dict[str, str] | None:
    """Pair the nodes of two networks that are the same but for names; None where the networks are not.

    Outputs are those of the same name, the others in order; from there operands lead back, each to its counterpart.
    What leads to no output is paired by what it reads. An input or output that both have by its name has to be the same
    in both. It takes time that grows with the size of the networks alone.
    """
    if len(a) != len(b) or len(a.outputs) != len(b.outputs):
        return None
    pairing = _Pairing(a, b)
    led = all(pairing.lead_back(a.outputs[name], b.outputs[other]) for name, other in pair_names(a, b).items())
    return {id: pairing.partners[id] for id in a.nodes} if led and pairing.pair_rest() else None


def pair_names(a: Graph, b: Graph) -> OutputPairs:
    """Pair outputs by their names, those that have no namesake in order."""
    alone = [[name for name in one.outputs if name not in other.outputs] for one, other in ((a, b), (b, a))]
    return {name: name for name in a.outputs if name in b.outputs} | dict(zip(*alone, strict=False))


class _Pairing:
    """The pairs so far, in both directions."""

    def __init__(self, a: Graph, b: Graph) -> None:
        self.a, self.b = a, b
        self.partners: dict[str, str] = {}
        self.taken: set[str] = set()

    def lead_back(self, first: str, second: str) -> bool:
        """Pair two nodes and all that they are computed from; False where that cannot be."""
        pending = [(first, second)]
        while pending:
            x, y = pending.pop()
            if x in self.partners or y in self.taken:
                if self.partners.get(x) != y:
                    return False
                continue
            if not self._are_alike(self.a[x], self.b[y]):
                return False
            self._pair(x, y)
            pending += zip(self.a[x].inputs, self.b[y].inputs, strict=True)
        return True

    def pair_rest(self) -> bool:
        """Pair what leads to no output, in the order of the networks."""
        waiting: dict[Hashable, list[str]] = {}
        for node in reversed(list(self.b)):
            if node.id not in self.taken:
                waiting.setdefault(_describe(node, node.inputs), []).append(node.id)
        for node in self.a:
            if node.id in self.partners:
                continue
            others = waiting.get(_describe(node, tuple(self.partners.get(id, "") for id in node.inputs)))
            if not others or not self._are_alike(node, self.b[others[-1]]):
                return False
            self._pair(node.id, others.pop())
        return True

    def _pair(self, x: str, y: str) -> None:
        self.partners[x] = y
        self.taken.add(y)

    def _are_alike(self, x: Node, y: Node) -> bool:
        if x.shape != y.shape or len(x.inputs) != len(y.inputs) or compare_nodes(x, y):
            return False
        crossed = isinstance(x.op, Input) and x.id != y.id and (x.id in self.b.inputs or y.id in self.a.inputs)
        kept = self.a.holds(x) == self.b.holds(y)  # what shares weights is another node than what has its own
        return not crossed and kept and _list_weights(self.a, x) == _list_weights(self.b, y)


def _list_weights(graph: Graph, node: Node) -> list[tuple[tuple[int, ...], bool, bool]]:
    return [(weight.shape, weight.trainable, weight.buffer) for weight in graph.weights_of(node).values()]


def _describe(node: Node, reads: tuple[str, ...]) -> Hashable:
    """Describe what nodes have in common that may stand for each other."""
    return reads or node.id, node.op.kind, repr(list_fields(node.op))


# ---- edges -----------------------------------------------------------------------------------------------------------


def find_rewired(a: Graph, b: Graph, partners: Mapping[str, str]) -> Iterator[Rewiring]:
    """Find the nodes that read something else, other than because it was removed or added."""
    known = set(partners.values())
    for first, second in partners.items():
        reads = a[first].inputs, b[second].inputs
        pairs = zip(*reads, strict=False)
        if len(reads[0]) != len(reads[1]) or any(x in partners and y in known and partners[x] != y for x, y in pairs):
            yield Rewiring(first, second, *reads)


def compare_outputs(
    a: Graph, b: Graph, partners: Mapping[str, str]
) -> tuple[dict[str, tuple[str | None, str | None]], dict[str, str]]:
    """Find the outputs that come from another node or are in one network alone, with the node in both; and those that
    have another name, with that."""
    known = set(partners.values())
    ends = pair_names(a, b)
    moved: dict[str, tuple[str | None, str | None]] = {}
    renamed: dict[str, str] = {}
    for name in a.outputs:
        other = ends.get(name)
        first, second = a.outputs[name], b.outputs[other] if other else None
        same = partners.get(first) == second
        if other and other != name and same:
            renamed[name] = other
        elif other != name or (first in partners and second in known and not same):
            moved[name] = first, second if other == name else None
    known_names = {*a.outputs, *renamed.values()}
    return moved | {name: (None, id) for name, id in b.outputs.items() if name not in known_names}, renamed
