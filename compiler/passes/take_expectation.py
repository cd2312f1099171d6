"""Training-only behaviour, replaced by its expected form."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archspec.ops import Dropout, Scale, StochasticDepth
from compiler.graph import Graph, Node
from compiler.passes.base import Arrays, Pass


@dataclass(frozen=True)
class TakeExpectation(Pass):
    """dropout(x) = x, since training divides by what it keeps; stochastic_depth(x) = survival · x; 1 · x = x."""

    def apply(self, graph: Graph, weights: Arrays) -> tuple[Graph, Arrays]:
        nodes: list[Node] = []
        renamed: dict[str, str] = {}
        for node in graph:
            op = node.op
            if isinstance(op, StochasticDepth):
                op = Scale(value=op.survival)
            if isinstance(op, Dropout) or (isinstance(op, Scale) and op.value == 1 and not op.trainable):
                renamed[node.id] = node.inputs[0]
            else:
                nodes.append(node if op is node.op else replace(node, op=op))
        return graph.with_nodes(nodes, renamed), weights
