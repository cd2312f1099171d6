"""The figures of each box: its shape, parameters and multiply-accumulates, as boxes and pages say them."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.ops import Shape
from archspec.wording import shorten_count
from compiler.analysis.cost.cost import Cost, measure_cost
from compiler.analysis.cost.node import NodeCost
from compiler.draw.blocks import PictureBlock
from compiler.draw.labels import label_shapes
from compiler.graph import Graph


@dataclass(frozen=True)
class Figures:
    """The figures of a box: the shapes of its first and last turn's result, and sums over all that it stands for."""

    first: Shape
    last: Shape
    parameters: int
    macs: int

    @property
    def shape(self) -> str:
        return label_shapes(self.first, self.last)

    @property
    def counts(self) -> str:
        """The counts in words, without those that are zero: `9.41 k params · 118 M MACs`."""
        pairs = ((self.parameters, "params"), (self.macs, "MACs"))
        return " · ".join(f"{shorten_count(count)} {what}" for count, what in pairs if count)


class GraphFigures:
    """The figures of the boxes of one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.costs: dict[str, NodeCost] = {row.id: row for row in measure_cost(graph).nodes}

    def of(self, block: PictureBlock) -> Figures:
        if block.output is not None:
            shape = self.graph[self.graph.outputs[block.output]].shape
            return Figures(shape, shape, 0, 0)
        cost = self.cost_of(block)
        first, last = self.graph[block.turns[0][-1]], self.graph[block.turns[-1][-1]]
        return Figures(first.shape, last.shape, cost.parameters + cost.frozen, cost.macs["conv-linear"])

    def cost_of(self, block: PictureBlock) -> Cost:
        """Add up the cost of all nodes that a box stands for."""
        return Cost(tuple(self.costs[id] for id in block.nodes))
