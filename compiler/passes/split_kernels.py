"""A pass that makes 3×3 convolutions to few channels one along each axis."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.ops import Conv
from archspec.ops.base import Layer
from archspec.ops.fields import Flag, NonNegative, Positive
from archspec.ops.values import Shape, Weight, Weights
from archspec.ops.window import Window
from compiler.graph import Graph, Node
from compiler.passes.base import Journal, Pass
from compiler.passes.weight_arrays import LazyArray, WeightArray, WeightArrays

TAPS = 3
ALIGNED = 4
"""The number of which channels are a multiple where ONNX Runtime's blocked convolution takes them."""


class AxisConv(Layer):
    """Convolution along one spatial axis, with stride 1 and zeros that keep the extents: (in, *S) -> (out, *S)."""

    out: Positive
    axis: NonNegative
    kernel: Positive = TAPS
    bias: Flag = False

    def infer(self, x: Shape) -> Shape:
        return Shape(self.out, *x.space)

    def taps(self, rank: int) -> tuple[int, ...]:
        """The kernel's extents."""
        return tuple(self.kernel if axis == self.axis else 1 for axis in range(rank))

    def weights(self, x: Shape) -> Weights:
        kernel = Weight((self.out, x.channels, *self.taps(x.rank)), "zeros")
        return {"weight": kernel, **({"bias": Weight((self.out,), "zeros")} if self.bias else {})}

    def macs(self, x: Shape) -> int:
        return self.infer(x).elements * x.channels * self.kernel


@dataclass(frozen=True)
class SplitKernels(Pass):
    """Σᵢ wᵢ · x(row + i)  =  Σᵢ zᵢ(row + i) with zᵢ = wᵢ · x: each row i of a 3×3 kernel becomes a 1×3 kernel with
    results of its own, which a 3×1 kernel of zeros and ones adds up.

    ONNX Runtime's blocked convolution computes up to four blocks of 16 channels in one go, and each number that it
    loads then serves all of them. With one block it took 1.1 to 1.4 times as long as three blocks of a third of the
    taps and their sum, from 96 channels up; such are the layers of a DenseNet with growth 12 or 16. With 64 channels
    nothing was won, since the sum then costs as much, and with more than one block of results time was lost.
    """

    largest_out: int = 16
    least_in: int = 96

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        arrays: dict[str, WeightArray] = dict(weights)
        nodes: list[Node] = []
        for node in graph:
            nodes += _split(node, node.op, arrays, journal) if self._is_narrow(graph, node) else [node]
        return (graph.with_nodes(nodes), arrays) if len(nodes) > len(graph) else (graph, weights)

    def _is_narrow(self, graph: Graph, node: Node) -> bool:
        op = node.op
        if not isinstance(op, Conv) or node.shape.rank != 2 or not op.stores_kernel:
            return False
        x = graph[node.inputs[0]].shape
        square = {*op.windows(x)} == {Window(TAPS, 1, TAPS // 2, TAPS // 2)} and op.groups == 1
        blocked = op.out % ALIGNED == 0 and x.channels % ALIGNED == 0
        return square and blocked and op.out <= self.largest_out and x.channels >= self.least_in


def _split(node: Node, op: Any, arrays: dict[str, WeightArray], journal: Journal) -> list[Node]:
    stacked = Shape(TAPS * op.out, *node.shape.space)
    rows = Node(f"{node.id}.rows", AxisConv(out=stacked.channels, axis=1), node.inputs, stacked, node.source)
    kernel = arrays[f"{node.id}.weight"]
    arrays[f"{rows.id}.weight"] = _stack_rows(kernel)
    arrays[f"{node.id}.weight"] = _sum_rows(op.out, kernel.dtype)
    journal.did(node.id, f"a 1×{TAPS} kernel to {stacked.channels} channels, and a {TAPS}×1 kernel that adds them up")
    journal.gives(rows.id, None)
    return [rows, replace(node, op=AxisConv(out=op.out, axis=0, bias=op.bias), inputs=(rows.id,))]


def _stack_rows(kernel: WeightArray) -> LazyArray:
    """Stack the rows of a kernel, (out, in, rows, columns) → (rows · out, in, 1, columns)."""

    def compute() -> NDArray[Any]:
        return np.moveaxis(np.asarray(kernel), 2, 0).reshape(shape)

    out, channels, rows, columns = kernel.shape
    shape = (rows * out, channels, 1, columns)
    return LazyArray(shape, kernel.dtype, compute)


def _sum_rows(out: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Make the kernel that sums rows, (out, rows · out, rows, 1): result o is the sum of channel o of each row's
    results, taken from that row."""
    ones: NDArray[Any] = np.einsum("oc,rs->orcs", np.eye(out, dtype=dtype), np.eye(TAPS, dtype=dtype))
    return ones.reshape(out, TAPS * out, TAPS, 1)
