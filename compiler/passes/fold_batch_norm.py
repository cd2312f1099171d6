"""Batch normalization, folded into the layer before it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from archspec.ops import BatchNorm, Conv, ConvTranspose, Linear
from compiler.graph import Graph, Node
from compiler.passes.base import Arrays, Pass


@dataclass(frozen=True)
class FoldBatchNorm(Pass):
    """w · x + b, then BN(γ, β, μ, σ²)  =  (w γ/σ) · x + (b - μ) γ/σ + β, with σ = √(σ² + eps).

    It holds where the BatchNorm is the only reader of the convolution, transposed convolution or linear layer, whose
    result is no output. Computed in float64, stored in the weights' own type.
    """

    def apply(self, graph: Graph, weights: Arrays) -> tuple[Graph, Arrays]:
        arrays = dict(weights)
        folded: dict[str, Node] = {}
        renamed: dict[str, str] = {}
        for node in graph:
            if isinstance(node.op, BatchNorm) and _can_take(graph, graph[node.inputs[0]]):
                layer = graph[node.inputs[0]]
                assert isinstance(layer.op, Conv | ConvTranspose | Linear)
                _fold(layer, layer.op, node, node.op, arrays)
                folded[layer.id] = replace(layer, op=layer.op.model_copy(update={"bias": True}))
                renamed[node.id] = layer.id
        nodes = [folded.get(node.id, node) for node in graph if node.id not in renamed]
        return graph.with_nodes(nodes, renamed), arrays


def _can_take(graph: Graph, layer: Node) -> bool:
    foldable = isinstance(layer.op, Conv | ConvTranspose | Linear)
    return foldable and len(graph.readers[layer.id]) == 1 and layer.id not in graph.outputs.values()


def _fold(
    layer: Node,
    op: Conv | ConvTranspose | Linear,
    norm: Node,
    norm_op: BatchNorm,
    arrays: dict[str, NDArray[np.floating]],
) -> None:
    """Replace the layer's arrays by folded ones and remove the normalization's."""
    kernel = arrays[f"{layer.id}.weight"]
    mean, variance = (arrays.pop(f"{norm.id}.{name}").astype(np.float64) for name in ("running_mean", "running_var"))
    gamma, beta = np.ones_like(mean), np.zeros_like(mean)
    if norm_op.affine:
        gamma, beta = (arrays.pop(f"{norm.id}.{name}").astype(np.float64) for name in ("weight", "bias"))
    factor = gamma / np.sqrt(variance + norm_op.eps)
    bias = arrays[f"{layer.id}.bias"].astype(np.float64) if op.bias else 0.0
    arrays[f"{layer.id}.weight"] = (kernel * _along_outputs(factor, op, kernel)).astype(kernel.dtype)
    arrays[f"{layer.id}.bias"] = ((bias - mean) * factor + beta).astype(kernel.dtype)


def _along_outputs(
    factor: NDArray[np.float64], op: Conv | ConvTranspose | Linear, kernel: NDArray[np.floating]
) -> NDArray[np.float64]:
    """The factor of each output channel in the kernel's layout, (out, in, *k), or transposed (in, out / groups, *k)."""
    ones = (1,) * (kernel.ndim - 2)
    if not isinstance(op, ConvTranspose):
        return factor.reshape(-1, 1, *ones)
    by_group = factor.reshape(op.groups, 1, -1)
    return np.repeat(by_group, kernel.shape[0] // op.groups, axis=1).reshape(kernel.shape[0], -1, *ones)
