"""What a network costs: parameters, buffers, multiply-accumulates and the sizes of its activations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from archspec.ops import Input, Shape, Weight
from compiler.graph import Graph

CONVENTIONS = {  # what a multiply-accumulate is counted for
    "conv-linear": "with weights of convolutions and linear layers, no bias, one sample",
    "conv-linear-bias": "the same, and one for each addition of their bias",
    "flops": "two for each of conv-linear, as torch's FlopCounterMode counts",
}


@dataclass(frozen=True, slots=True)
class NodeCost:
    """One operation's cost for one sample; counts of numbers, not bytes."""

    id: str
    kind: str
    shape: Shape
    parameters: int
    frozen: int
    buffers: int
    macs: int
    bias_adds: int

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"shape": list(self.shape)}


@dataclass(frozen=True)
class Cost:
    """The cost of a network, node by node; the totals are sums."""

    nodes: tuple[NodeCost, ...]

    @cached_property
    def parameters(self) -> int:
        """Trainable parameters."""
        return sum(node.parameters for node in self.nodes)

    @cached_property
    def frozen(self) -> int:
        """Parameters that training does not change, and that are no statistics."""
        return sum(node.frozen for node in self.nodes)

    @cached_property
    def buffers(self) -> int:
        """Stored statistics: BatchNorm's running means and variances, not its counter."""
        return sum(node.buffers for node in self.nodes)

    @cached_property
    def macs(self) -> dict[str, int]:
        """Multiply-accumulates for one sample in each of `CONVENTIONS`."""
        macs, biases = sum(node.macs for node in self.nodes), sum(node.bias_adds for node in self.nodes)
        return {"conv-linear": macs, "conv-linear-bias": macs + biases, "flops": 2 * macs}

    @cached_property
    def activations(self) -> int:
        """Numbers in the results of all operations for one sample; inputs are not counted."""
        return sum(node.shape.elements for node in self._computed)

    @cached_property
    def largest(self) -> NodeCost:
        """The operation with the largest result."""
        return max(self._computed or self.nodes, key=lambda node: node.shape.elements)

    @property
    def _computed(self) -> list[NodeCost]:
        return [node for node in self.nodes if node.kind != Input.kind]

    def to_dict(self) -> dict[str, Any]:
        macs = {"total": self.macs["conv-linear"], "convention": "conv-linear", "conventions": self.macs}
        largest = {"node": self.largest.id, "shape": list(self.largest.shape), "elements": self.largest.shape.elements}
        return {
            "parameters": {"trainable": self.parameters, "frozen": self.frozen, "buffers": self.buffers},
            "macs": macs,
            "activations": {"elements": self.activations, "largest": largest},
        }


def measure_cost(graph: Graph) -> Cost:
    """Count what every operation stores and computes, at the graph's sizes and for one sample."""
    rows = []
    for node in graph:
        shapes = graph.operands(node)
        weights = node.op.weights(*shapes).values()
        rows.append(
            NodeCost(
                id=node.id,
                kind=node.op.kind,
                shape=node.shape,
                parameters=_count(weight for weight in weights if weight.trainable),
                frozen=_count(weight for weight in weights if not (weight.trainable or weight.buffer)),
                buffers=_count(weight for weight in weights if weight.buffer),
                macs=node.op.macs(*shapes),
                bias_adds=node.op.bias_adds(*shapes),
            )
        )
    return Cost(tuple(rows))


def _count(weights: Iterable[Weight]) -> int:
    return sum(weight.numel for weight in weights)
