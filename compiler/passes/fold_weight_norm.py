"""A pass that computes weight normalization once and for all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.errors import ArchspecError
from archspec.ops import ConvTranspose, Kernel
from compiler.graph import Graph, Node
from compiler.passes.base import Journal, Pass
from compiler.passes.weight_arrays import WeightArray, WeightArrays, compute_later, take_double


@dataclass(frozen=True)
class FoldWeightNorm(Pass):
    """A layer with the direction v and a length for each output channel has the kernel length · v / |v|.

    |v| is over all that one output channel reads. Computed in float64, stored in the weights' own type. Raises
    ArchspecError, when the kernel is computed, where it is zero.
    """

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        arrays = dict(weights)
        nodes: list[Node] = []
        for node in graph:
            if isinstance(node.op, Kernel) and node.op.weight_norm:
                _fold(node.id, node.op, arrays)
                journal.did(node.id, "its direction and lengths became a kernel")
                node = replace(node, op=node.op.model_copy(update={"weight_norm": False}))
            nodes.append(node)
        return (graph.with_nodes(nodes), arrays) if journal.done else (graph, weights)


def _fold(id: str, op: Kernel, arrays: dict[str, WeightArray]) -> None:
    """Replace a layer's direction by its kernel, and remove the lengths."""
    name = f"{id}.weight"
    groups = op.groups if isinstance(op, ConvTranspose) else 0

    def compute(direction: NDArray[Any], length: NDArray[Any]) -> NDArray[Any]:
        return lengthen(name, take_double(direction), take_double(length), groups).astype(direction.dtype)

    arrays[name] = compute_later(compute, arrays[name], arrays.pop(f"{id}.length"))


def lengthen(
    name: str, direction: NDArray[np.float64], length: NDArray[np.float64], groups: int
) -> NDArray[np.float64]:
    """Compute length · v / |v| for a kernel (out, in, *k), or with `groups` for a transposed one (in, out / groups,
    *k).

    Raises ArchspecError, with the name, where a |v| is zero.
    """
    rows = direction.reshape(len(length), 1, 1, -1)
    if groups:
        rows = direction.reshape(groups, direction.shape[0] // groups, direction.shape[1], -1)
    norm: NDArray[np.float64] = np.sqrt(np.square(rows).sum((1, 3), keepdims=True))
    if not norm.all():
        zeros = np.count_nonzero(norm == 0)
        raise ArchspecError(
            f"{name} has {zeros:,} of {norm.size:,} directions of length zero, by which weight normalization divides"
        )
    kernel: NDArray[np.float64] = length.reshape(norm.shape) * rows / norm
    return kernel.reshape(direction.shape)
