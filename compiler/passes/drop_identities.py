"""Operations that change nothing, left out."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.ops import (
    Add,
    AvgPool,
    Concat,
    Crop,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    HardSigmoid,
    Input,
    LeakyRelu,
    Linear,
    MaxPool,
    Mean,
    Mul,
    PadChannels,
    PadSpace,
    Prelu,
    Relu,
    Relu6,
    Scale,
    Shift,
    Sigmoid,
    Softmax,
    Softplus,
    Upsample,
    Vote,
)
from archspec.ops.resize import GlobalPool
from compiler.graph import Graph, Node
from compiler.passes.affine import read_affine
from compiler.passes.base import Arrays, Journal, Pass
from compiler.sizes import find_idle

NEVER_NEGATIVE = (Relu, Relu6, Sigmoid, HardSigmoid, Softplus, Softmax, Vote)
KEEP_SIGN = (
    *(Add, Mul, Concat, Mean),
    *(MaxPool, AvgPool, GlobalMaxPool, GlobalAvgPool, Upsample, Flatten, PadChannels, PadSpace, Crop),
)
"""Operations that give nothing negative where their operands are not negative."""


@dataclass(frozen=True)
class DropIdentities(Pass):
    """x + 0, 1 · x, a sum of one, a pooling of 1, a rectifier of what is never negative: all are x.

    So are scales and shifts that learned nothing, a concatenation, product or mean of one operand, upsampling by 1,
    padding and cropping that do nothing at any accepted size, global pooling of single positions, and flattening of a
    vector.
    """

    def apply(self, graph: Graph, weights: Arrays, journal: Journal) -> tuple[Graph, Arrays]:
        facts = _Facts(graph, weights)
        renamed: dict[str, str] = {}
        for node in graph:
            why = facts.learn(node)
            if why:
                renamed[node.id] = node.inputs[0]
                journal.did(node.id, f"left out: {why}")
        if not renamed:
            return graph, weights
        after = graph.with_nodes((node for node in graph if node.id not in renamed), renamed)
        gone = {name for id in renamed for name in graph.weights_of(graph[id])}
        return after, {name: array for name, array in weights.items() if name not in gone}


class _Facts:
    """What is known of values: which are never negative, and which have the same extents at all sizes."""

    def __init__(self, graph: Graph, weights: Arrays) -> None:
        self.graph, self.weights = graph, weights
        self.fixed: set[str] = set()
        self.positive: set[str] = set()
        self.idle = find_idle(graph)

    def learn(self, node: Node) -> str:
        """Why it changes nothing, if so; the nodes before it are known."""
        why = self._find_reason(node)
        if self._is_fixed(node):
            self.fixed.add(node.id)
        kept = isinstance(node.op, KEEP_SIGN) or bool(why)
        if isinstance(node.op, NEVER_NEGATIVE) or (kept and self.positive.issuperset(node.carriers)):
            self.positive.add(node.id)
        return why

    def _is_fixed(self, node: Node) -> bool:
        if isinstance(node.op, Input):
            return all(isinstance(entry, int) for entry in node.op.dims)
        return isinstance(node.op, Linear | GlobalPool) or self.fixed.issuperset(node.inputs)

    def _find_reason(self, node: Node) -> str:
        op, operand = node.op, next(iter(node.inputs), "")
        match op:
            case Scale() | Shift():
                return "it multiplies by one or adds zero" if read_affine(node, self.weights).changes_nothing else ""
            case Add() | Mul() | Concat() | Mean():
                return "it has one operand" if len(node.inputs) == 1 else ""
            case MaxPool() | AvgPool():
                return "its window is a single position" if op.kernel == op.window.stride == 1 else ""
            case Upsample():
                return "it enlarges by one" if op.scale == 1 else ""
            case Flatten():
                return "its operand is a vector" if self.graph[operand].shape.rank == 0 else ""
            case GlobalMaxPool() | GlobalAvgPool() | PadChannels():
                same = operand in self.fixed and node.shape == self.graph[operand].shape
                return "its operand has that shape at every size" if same else ""
            case Crop() | PadSpace():
                return "its operands have the same extents at every size" if node.id in self.idle else ""
            case Relu() | LeakyRelu() | Prelu():
                return "its operand is never negative" if operand in self.positive else ""
            case _:
                return ""
