"""A pass that leaves out nodes that lead nowhere."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.graph import Graph
from compiler.passes.base import Journal, Pass
from compiler.passes.weight_arrays import WeightArrays


@dataclass(frozen=True)
class DropUnused(Pass):
    """A node that leads to no output is left out, with its weights; inputs stay."""

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        used = find_used(graph)
        unused = [node for node in graph if node.id not in used]
        for node in unused:
            journal.did(node.id, "left out: it leads to no output")
        idle = {name for node in unused for name in graph.weights_of(node)}
        if not unused:
            return graph, weights
        kept = (node for node in graph if node.id in used)
        return graph.with_nodes(kept), {name: array for name, array in weights.items() if name not in idle}


def find_used(graph: Graph) -> set[str]:
    """Find the inputs, and what leads to an output."""
    used = {*graph.inputs, *graph.outputs.values()}
    for node in reversed(list(graph)):
        if node.id in used:
            used.update(node.inputs)
    return used
