"""Batch normalization, folded into the layer before it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from archspec.ops import BatchNorm, Conv, ConvTranspose, Linear
from compiler.graph import Graph, Node
from compiler.passes.base import Array, Arrays, Journal, LazyArray, Pass


@dataclass(frozen=True)
class FoldBatchNorm(Pass):
    """w · x + b, then BN(γ, β, μ, σ²)  =  (w γ/σ) · x + (b - μ) γ/σ + β, with σ = √(σ² + eps).

    It holds where the BatchNorm is the only reader of the convolution, transposed convolution or linear layer, whose
    result is no output. Computed in float64, stored in the weights' own type.
    """

    def apply(self, graph: Graph, weights: Arrays, journal: Journal) -> tuple[Graph, Arrays]:
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
                journal.did(node.id, f"folded into {layer.id}")
                journal.gives(layer.id, node.id)
        nodes = [folded.get(node.id, node) for node in graph if node.id not in renamed]
        return graph.with_nodes(nodes, renamed), arrays


def _can_take(graph: Graph, layer: Node) -> bool:
    # of a layer with weight normalization the stored weight is a direction: FoldWeightNorm makes a kernel of it
    foldable = isinstance(layer.op, Conv | ConvTranspose | Linear) and not layer.op.weight_norm
    return foldable and len(graph.readers[layer.id]) == 1 and layer.id not in graph.outputs.values()


def _fold(
    layer: Node, op: Conv | ConvTranspose | Linear, norm: Node, norm_op: BatchNorm, arrays: dict[str, Array]
) -> None:
    """Replace the layer's arrays by folded ones and remove the normalization's."""

    def take(name: str) -> NDArray[np.float64]:
        return np.asarray(arrays.pop(f"{norm.id}.{name}"), np.float64)

    kernel = arrays[f"{layer.id}.weight"]
    mean, variance = take("running_mean"), take("running_var")
    gamma, beta = (take("weight"), take("bias")) if norm_op.affine else (np.ones_like(mean), np.zeros_like(mean))
    factor = gamma / np.sqrt(variance + norm_op.eps)
    bias = np.asarray(arrays[f"{layer.id}.bias"], np.float64) if op.bias else 0.0
    along = _along_outputs(factor, op, kernel.shape)
    arrays[f"{layer.id}.weight"] = LazyArray(
        kernel.shape, kernel.dtype, lambda: (np.asarray(kernel) * along).astype(kernel.dtype)
    )
    arrays[f"{layer.id}.bias"] = ((bias - mean) * factor + beta).astype(kernel.dtype)


def _along_outputs(
    factor: NDArray[np.float64], op: Conv | ConvTranspose | Linear, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """The factor of each output channel in the kernel's layout, (out, in, *k), or transposed (in, out / groups, *k)."""
    ones = (1,) * (len(shape) - 2)
    if not isinstance(op, ConvTranspose):
        return factor.reshape(-1, 1, *ones)
    by_group = factor.reshape(op.groups, 1, -1)
    return np.repeat(by_group, shape[0] // op.groups, axis=1).reshape(shape[0], -1, *ones)
