"""A pass that has attention computed by one kernel of ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archspec.ops import Attention
from compiler.graph import Graph, Node
from compiler.passes.base import Journal, Pass
from compiler.passes.weight_arrays import WeightArrays


class AttentionKernel(Attention):
    """Attention that one kernel computes, with rows for its operands: MultiHeadAttention of ONNX Runtime."""


@dataclass(frozen=True)
class FuseAttention(Pass):
    """softmax(q k / √d + bias) v  =  MultiHeadAttention(q, k, v, bias): attention by products, over all positions.

    Windows stay products: with heads of 32 channels the kernel took up to a third longer.
    """

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        fused: dict[str, Node] = {}
        for node in graph:
            op = node.op
            if not isinstance(op, Attention):
                continue
            if op.window is not None or op.similarity != "dot":
                journal.leave(node.id, "no kernel cuts windows" if op.window is not None else "no kernel has cosines")
                continue
            fused[node.id] = replace(node, op=AttentionKernel(**op.model_dump()))
            journal.did(node.id, "one kernel")
        return (graph.with_nodes(fused.get(node.id, node) for node in graph), weights) if fused else (graph, weights)
