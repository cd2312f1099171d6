"""A pass that standardizes weights once and for all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.ops import Conv
from compiler.graph import Graph, Node
from compiler.passes.base import Journal, Pass
from compiler.passes.weight_arrays import WeightArray, WeightArrays, compute_later, take_double


@dataclass(frozen=True)
class FoldStandardization(Pass):
    """A convolution that standardizes v has the kernel (v - μ) / √(σ² + eps), with the mean and the variance over the n
    weights of each output; with lengths, times length / √n. Computed in float64, stored in the weights' own type."""

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        arrays = dict(weights)
        nodes: list[Node] = []
        for node in graph:
            if isinstance(node.op, Conv) and node.op.standardize:
                _fold(node.id, node.op, arrays)
                journal.did(node.id, "its kernel is standardized")
                node = replace(node, op=_take_plain(node.op))
            nodes.append(node)
        return (graph.with_nodes(nodes), arrays) if journal.done else (graph, weights)


def _take_plain(op: Conv) -> Conv:
    usual = {name: Conv.model_fields[name].default for name in ("standardize", "eps", "weight_norm")}
    return op.model_copy(update=usual)


def _fold(id: str, op: Conv, arrays: dict[str, WeightArray]) -> None:
    """Replace a layer's numbers by its kernel, and remove the lengths."""
    name = f"{id}.weight"
    given, lengths = arrays[name], [arrays.pop(other) for other in (f"{id}.length",) if other in arrays]

    def compute(values: NDArray[Any], *lengths: NDArray[Any]) -> NDArray[Any]:
        kernel = standardize(take_double(values), op.eps)
        for length in lengths:
            factor = take_double(length) / np.sqrt(kernel[0].size)
            kernel = kernel * factor.reshape(-1, *[1] * (kernel.ndim - 1))
        return kernel.astype(values.dtype)

    arrays[name] = compute_later(compute, given, *lengths)


def standardize(kernel: NDArray[np.float64], eps: float) -> NDArray[np.float64]:
    """Compute (v - μ) / √(σ² + eps) for a kernel (out, in, *k), σ² being the mean square of v - μ."""
    rows = kernel.reshape(len(kernel), -1)
    centred = rows - rows.mean(1, keepdims=True)
    scaled: NDArray[np.float64] = centred / np.sqrt(np.square(centred).mean(1, keepdims=True) + eps)
    return scaled.reshape(kernel.shape)
