"""Biases that exporters add behind a layer."""

from __future__ import annotations

from dataclasses import replace

from archspec.ops import Kernel, Shift
from compiler.graph import Graph, Node
from compiler.onnx_source.ops.foreign import Elementwise
from compiler.onnx_source.ops.products import Rows
from compiler.onnx_source.ops.windows import Convolution
from compiler.onnx_source.simplify.pieces import is_by_channel, only_reader, take_over


def join_biases(graph: Graph) -> Graph:
    """Make stored numbers that are added to what a layer without bias gives its bias."""
    joined: dict[str, Node] = {}
    renamed: dict[str, str] = {}
    for node in graph:
        after = only_reader(graph, node)
        if after and isinstance(node.op, WITH_BIAS) and not node.op.bias and _is_bias(node, after):
            stored = {**(node.stored or {}), **take_over([("bias", after)])}
            joined[node.id] = replace(node, op=node.op.model_copy(update={"bias": True}), stored=stored)
            renamed[after.id] = node.id
    return graph.with_nodes((joined.get(node.id, node) for node in graph if node.id not in renamed), renamed)


WITH_BIAS = Kernel | Rows | Convolution


def _is_bias(layer: Node, after: Node) -> bool:
    if isinstance(layer.op, Rows) and isinstance(after.op, Elementwise):
        stored = after.op.stores == ((layer.shape[-1],),)
        return stored and after.op.function == "add" and len(after.inputs) == 1
    return is_by_channel(after, Shift)
