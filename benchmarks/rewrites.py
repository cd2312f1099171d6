"""The forms that `forms.py` measures: the passes that exports for CPUs run, and others that were tried and lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from archspec.ops import Add, Concat, Conv, ConvTranspose
from compiler.graph import Graph, Node
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules import OnnxRule
from compiler.passes.fill_channels import FillChannels
from compiler.passes.join_groups import JoinGroups
from compiler.passes.pad_by_kernel import PadByKernel
from compiler.passes.split_kernels import SplitKernels
from compiler.passes.weight_arrays import WeightArray, WeightArrays

Rewrite: TypeAlias = Callable[[Graph, WeightArrays], tuple[Graph, WeightArrays]]


class DepthConvTranspose(ConvTranspose):
    """A transposed convolution whose kernel is its stride: a 1×1 convolution, whose channels become positions."""


def emit_depth(op: DepthConvTranspose, emit: Emitter, x: OnnxValue) -> OnnxValue:
    kernel = np.asarray(emit.array("weight"))
    rows = kernel.transpose(1, 2, 3, 0).reshape(-1, kernel.shape[0], 1, 1)
    assert isinstance(op.kernel, int)
    bias = np.repeat(np.asarray(emit.array("bias")), op.kernel**2)
    deep = emit.op("Conv", [x, emit.constant("rows", rows), emit.constant("terms", bias)], kernel_shape=[1, 1])
    return emit.op("DepthToSpace", [deep], blocksize=op.kernel, mode="CRD")


RULES: Mapping[type[ConvTranspose], OnnxRule] = MappingProxyType({DepthConvTranspose: emit_depth})


def use_depth(graph: Graph, weights: WeightArrays) -> tuple[Graph, WeightArrays]:
    """Every transposed convolution with a stride as large as its kernel, in that form."""

    def write(node: Node) -> Node:
        op = node.op
        fits = isinstance(op, ConvTranspose) and op.kernel == op.stride and op.groups == 1 and op.bias
        return replace(node, op=DepthConvTranspose(**op.model_dump())) if fits else node

    return graph.with_nodes(map(write, graph)), weights


def sum_pieces(graph: Graph, weights: WeightArrays) -> tuple[Graph, WeightArrays]:
    """A convolution of a concatenation of two as the sum of two convolutions, so that neither piece is copied."""
    arrays: dict[str, WeightArray] = dict(weights)
    nodes: dict[str, Node] = {}
    for node in graph:
        joined = graph[node.inputs[0]] if node.inputs else node
        if isinstance(node.op, Conv) and isinstance(joined.op, Concat) and graph.readers[joined.id] == (node.id,):
            del nodes[joined.id]
            nodes |= {part.id: part for part in _sum(graph, node, node.op, joined, arrays)}
        else:
            nodes[node.id] = node
    return graph.with_nodes(nodes.values()), arrays


def _sum(graph: Graph, node: Node, op: Conv, joined: Node, arrays: dict[str, WeightArray]) -> list[Node]:
    first, second = joined.inputs
    kernel = np.asarray(arrays.pop(f"{node.id}.weight"))
    split = graph[first].shape.channels
    one = replace(node, id=f"{node.id}.first", inputs=(first,))
    other = replace(node, id=f"{node.id}.second", inputs=(second,), op=op.model_copy(update={"bias": False}))
    arrays[f"{one.id}.weight"], arrays[f"{other.id}.weight"] = kernel[:, :split], kernel[:, split:]
    if op.bias:
        arrays[f"{one.id}.bias"] = arrays.pop(f"{node.id}.bias")
    return [one, other, replace(node, op=Add(), inputs=(one.id, other.id))]


REWRITES: Mapping[str, Rewrite] = MappingProxyType(
    {
        "join": JoinGroups(),
        "join 48": JoinGroups(block=48),
        "fill": FillChannels(),
        "split": SplitKernels(),
        "split 32": SplitKernels(largest_out=32),
        "fill and split": lambda graph, weights: SplitKernels()(*FillChannels()(graph, weights)),
        "pad": PadByKernel(),
        "depth": use_depth,
        "sum": sum_pieces,
    }
)
