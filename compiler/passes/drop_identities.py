"""A pass that leaves out operations that change nothing."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.ops import (
    Attention,
    Bounds,
    EnterWindows,
    GlobalAvgPool,
    GlobalMaxPool,
    Input,
    LeaveWindows,
    PadChannels,
    Scale,
    Shift,
)
from archspec.ops.scalar import Activation
from compiler.graph import Graph, Node
from compiler.passes.affine import is_affine, read_affine
from compiler.passes.base import Journal, Pass
from compiler.passes.weight_arrays import WeightArrays
from compiler.sizes.accepted_sizes import find_idle
from compiler.value_bounds import bound_node, is_idle


@dataclass(frozen=True)
class DropIdentities(Pass):
    """x + 0, 1 · x, a sum of one, a pooling of 1, a rectifier of what is never negative: all are x.

    So are scales and shifts that learned nothing, a concatenation, product or mean of one operand, upsampling by 1,
    padding and cropping that do nothing at any accepted size, global pooling of single positions, and flattening of a
    vector.
    """

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
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
    """The knowledge of values: between which numbers they lie, and which have the same extents at all sizes."""

    def __init__(self, graph: Graph, weights: WeightArrays) -> None:
        self.graph, self.weights = graph, weights
        self.fixed: set[str] = set()
        self.bounds: dict[str, Bounds] = {}
        self.idle = find_idle(graph)
        self.windows = any(isinstance(node.op, Attention) and node.op.window is not None for node in graph)

    def learn(self, node: Node) -> str:
        """Find why a node changes nothing, if so; the nodes before it are known."""
        why = self._find_reason(node)
        operands = [self.bounds[operand] for operand in node.data_inputs]
        self.bounds[node.id] = operands[0] if why else bound_node(node, operands)
        if self._is_fixed(node):
            self.fixed.add(node.id)
        return why

    def _is_fixed(self, node: Node) -> bool:
        if isinstance(node.op, Input):
            return all(isinstance(entry, int) for entry in node.op.dims)
        return node.op.fixes_extents or self.fixed.issuperset(node.inputs)

    def _find_reason(self, node: Node) -> str:
        op, operand = node.op, next(iter(node.inputs), "")
        match op:
            case Scale() | Shift() if is_affine(op):
                return "it multiplies by one or adds zero" if read_affine(node, self.weights).changes_nothing else ""
            case GlobalMaxPool() | GlobalAvgPool() | PadChannels():
                same = operand in self.fixed and node.shape == self.graph[operand].shape
                return "its operand has that shape at every size" if same else ""
            case EnterWindows() | LeaveWindows():
                if self.windows:
                    return ""  # they say where what is written window by window begins and ends
                fixed = self.fixed.issuperset(node.inputs) and op.is_idle(*self.graph.operands(node))
                return "its operand is whole windows, and is not rolled" if fixed else ""
            case _ if op.fits_extents:
                return "its operands have the same extents at every size" if node.id in self.idle else ""
            case Activation():
                return "it changes none of its operand's numbers" if is_idle(op, self.bounds[operand]) else ""
            case _:
                return op.changes_nothing(*self.graph.operands(node))
