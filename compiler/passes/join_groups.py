"""A pass that joins narrow groups of convolutions to groups as wide as a block of channels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.ops import Conv
from compiler.graph import Graph, Node
from compiler.passes.base import Journal, Pass
from compiler.passes.weight_arrays import LazyArray, WeightArray, WeightArrays

MIN_CHANNELS = 4
"""The smallest number of channels of a group of which joining was measured to pay: with two, as much time goes to zeros
as is won."""


@dataclass(frozen=True)
class JoinGroups(Pass):
    """k groups of d channels  =  one group of k d channels, whose kernel is zero outside of k blocks on its diagonal.

    It joins groups of 4 or 8 channels to groups of 16, as many as a register of AVX-512 holds: ONNX Runtime's blocked
    convolutions want whole blocks in each group, and others leave its layout. The zeros cost less than that, up to
    four times the multiplications; wider groups that are no multiple of 16 were slower joined, and are left alone. The
    stored kernels grow by the same factor.
    """

    block: int = 16

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        arrays: dict[str, WeightArray] = dict(weights)
        joined: dict[str, Node] = {}
        for node in graph:
            if not isinstance(node.op, Conv) or node.op.groups == 1:
                continue
            if node.shape.rank != 2 or not node.op.stores_kernel:
                continue
            width = graph[node.inputs[0]].shape.channels // node.op.groups
            if width == 1 or not (width % self.block or (node.op.out // node.op.groups) % self.block):
                continue  # a convolution of each channel alone, or of whole blocks, is fast as it is
            times = self.block // width
            fits = width >= MIN_CHANNELS and node.op.out // node.op.groups == width and times * width == self.block
            if not fits or node.op.groups % times:
                journal.leave(node.id, f"{node.op.groups} groups of {width} channels do not join to blocks cheaply")
                continue
            arrays[f"{node.id}.weight"] = _join(weights[f"{node.id}.weight"], width, times)
            joined[node.id] = replace(node, op=node.op.model_copy(update={"groups": node.op.groups // times}))
            journal.did(
                node.id, f"{node.op.groups} groups of {width} joined to {node.op.groups // times} of {self.block}"
            )
        return (graph.with_nodes(joined.get(node.id, node) for node in graph), arrays) if joined else (graph, weights)


def _join(kernel: WeightArray, width: int, times: int) -> LazyArray:
    """Join kernels, (out, width, *k) → (out, times width, *k): the kernels of group g stand in place g mod `times`."""

    def compute() -> NDArray[Any]:
        narrow = np.asarray(kernel)
        wide = np.zeros((narrow.shape[0], times, *narrow.shape[1:]), narrow.dtype)
        rows = np.arange(narrow.shape[0])
        wide[rows, rows // width % times] = narrow
        return wide.reshape(shape)

    shape = (kernel.shape[0], times * width, *kernel.shape[2:])
    return LazyArray(shape, kernel.dtype, compute)
