"""A pass that computes common subexpressions once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TypeAlias

from archspec.ops import Op
from compiler.graph import Graph, Node
from compiler.passes.base import Journal, Pass
from compiler.passes.weight_arrays import WeightArrays, see_numbers


@dataclass(frozen=True)
class MergeDuplicates(Pass):
    """Of nodes with the same operation, operands and weights, the first one computes for all.

    Weights are the same where they are equal to the bit. Operations that draw at random are the same at inference.
    """

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        search = _DuplicateSearch(graph, weights)
        renamed: dict[str, str] = {}
        for node in graph:
            operands = tuple(renamed.get(operand, operand) for operand in node.inputs)
            if not operands:  # what comes from outside is another value each time
                continue
            first = search.find(node, operands)
            if first is not node:
                renamed[node.id] = first.id
                journal.did(node.id, f"the same as {first.id}")
        if not renamed:
            return graph, weights
        after = graph.with_nodes((node for node in graph if node.id not in renamed), renamed)
        gone = {name for id in renamed for name in graph.weights_of(graph[id])}
        return after, {name: array for name, array in weights.items() if name not in gone}


_Key: TypeAlias = tuple[tuple[str, ...], str]


@dataclass
class _DuplicateSearch:
    """The search for the first of equal nodes. Weights are looked at where all else is the same."""

    graph: Graph
    weights: WeightArrays
    firsts: dict[_Key, Node] = field(default_factory=dict)
    same: dict[tuple[_Key, bytes], Node] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    digests: dict[str, bytes] = field(default_factory=dict)

    def find(self, node: Node, operands: tuple[str, ...]) -> Node:
        key = operands, self._describe(node.op)
        first = self.firsts.setdefault(key, node)
        if first is node:
            return node
        self.same.setdefault((key, self._digest(first)), first)
        return self.same.setdefault((key, self._digest(node)), node)

    def _describe(self, op: Op) -> str:
        """Describe an operation by its kind and fields, once for each operation, which repeated blocks share."""
        if id(op) not in self.texts:
            self.texts[id(op)] = repr(op)
        return self.texts[id(op)]

    def _digest(self, node: Node) -> bytes:
        """Compute the SHA-256 of a node's weights, whose shapes and order follow from the operation and its operands.
        Equal hashes make two layers one, so that no others will do, of which two are easily made equal."""
        if node.id not in self.digests:
            digest = hashlib.sha256()
            for name in self.graph.weights_of(node):
                array = see_numbers(self.weights[name])
                digest.update(array.dtype.str.encode())
                digest.update(array.tobytes())
            self.digests[node.id] = digest.digest()
        return self.digests[node.id]
