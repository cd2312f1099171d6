"""A pass that replaces training-only behaviour by its expected form."""

from __future__ import annotations

from dataclasses import dataclass, replace

from compiler.graph import Graph, Node
from compiler.passes.base import Journal, Pass
from compiler.passes.weight_arrays import WeightArrays


@dataclass(frozen=True)
class TakeExpectation(Pass):
    """Each operation that draws at random, or uses the statistics of a batch, as it is at inference.

    dropout(x) = 1 · x, since training divides by what it keeps; stochastic_depth(x) = survival · x, or 1 · x where
    training divides; shake_drop(x) = survival · x; shake is the mean; ghost batch normalization and batch
    renormalization are batch normalization, with the same weights.
    """

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        nodes: dict[str, Node] = {}
        for node in graph:
            op = node.op.at_inference()
            if op is not node.op:
                nodes[node.id] = replace(node, op=op)
                journal.did(node.id, f"is {op.kind} at inference")
        return (graph.with_nodes(nodes.get(node.id, node) for node in graph), weights) if nodes else (graph, weights)
