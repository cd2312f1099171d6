"""A pass by which a convolution adds channels of zeros."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from archspec.ops import Conv, PadChannels
from compiler.graph import Graph, Node
from compiler.passes.base import Journal, Pass
from compiler.passes.weight_arrays import WeightArray, WeightArrays


@dataclass(frozen=True)
class PadByKernel(Pass):
    """Zeros after the channels of a map  =  a 1×1 convolution with ones on its diagonal.

    A pad is not computed in ONNX Runtime's blocked layout, and what is added to a residual stream in plain layout stays
    there: behind one padded shortcut no addition is fused with its convolution any more.
    """

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        kernels: dict[str, WeightArray] = {}
        written: dict[str, Node] = {}
        dtype = next((array.dtype for array in weights.values()), np.dtype(np.float32))
        for node in graph:
            if isinstance(node.op, PadChannels) and node.shape.rank == 2:
                channels = graph[node.inputs[0]].shape.channels
                kernels[f"{node.id}.weight"] = np.eye(node.op.out, channels, dtype=dtype)[:, :, None, None]
                written[node.id] = replace(node, op=Conv(out=node.op.out, kernel=1, bias=False))
                journal.did(node.id, f"a 1×1 convolution from {channels} to {node.op.out} channels")
        if not written:
            return graph, weights
        return graph.with_nodes(written.get(node.id, node) for node in graph), {**weights, **kernels}
