"""A pass that makes one operation of batch normalizations, scales and shifts in a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from archspec.ops import BatchNorm, Op, Scale, Shift
from compiler.graph import Graph, Node
from compiler.passes.affine import Affine, ChannelVector, is_affine, is_uniform, read_affine
from compiler.passes.base import Journal, Pass
from compiler.passes.kernel import round_to
from compiler.passes.weight_arrays import WeightArray, WeightArrays


@dataclass(frozen=True)
class MergeAffine(Pass):
    """d · (a · x + b) + e = (d a) · x + (d b + e): batch normalizations, scales and shifts in a row become one.

    That is a scale where nothing is added, a shift where nothing is multiplied, and else a batch normalization: on maps
    ONNX Runtime's CPU provider makes one depthwise convolution of it, with the rectifier behind it, in the blocked
    layout of the convolutions around it. A product and a sum leave that layout and come back to it: 7 % more time for a
    pre-activation residual network of eight 3×3 convolutions with 64 channels on 28×28. One number to multiply by and
    one to add stay two operations: 1 - sigmoid(x) was no faster in one.

    It keeps the name of the first batch normalization among them, or of the last one. Computed in float64, stored in
    the weights' own type.
    """

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        arrays: dict[str, WeightArray] = dict(weights)
        merged: dict[str, Node] = {}
        renamed: dict[str, str] = {}
        for row in _find_rows(graph):
            affine = _compose(row, weights)
            if _is_pair_of_numbers(row, affine):
                journal.leave(row[-1].id, "a factor and a term of one number each are no faster as one operation")
                continue
            kept = _merge(graph, row, affine, arrays)
            merged[kept.id] = kept
            journal.gives(kept.id, row[-1].id)
            for node in row:
                if node.id != kept.id:
                    renamed[node.id] = kept.id
                    journal.did(node.id, f"merged into {kept.id}")
        if not merged:
            return graph, weights
        nodes = [merged.get(node.id, node) for node in graph if node.id not in renamed]
        return graph.with_nodes(nodes, renamed), arrays


def _find_rows(graph: Graph) -> list[list[Node]]:
    """Find rows of two or more such operations, of which only the last has a result that anything else reads."""
    outputs = set(graph.outputs.values())
    rows: dict[str, list[Node]] = {}  # by their last node
    for node in graph:
        if is_affine(node.op):
            before = node.inputs[0]
            alone = before in rows and len(graph.readers[before]) == 1 and before not in outputs
            rows[node.id] = rows.pop(before) if alone else []
            rows[node.id].append(node)
    return [row for row in rows.values() if len(row) > 1]


def _compose(row: list[Node], weights: WeightArrays) -> Affine:
    affine = read_affine(row[0], weights)
    for node in row[1:]:
        affine = affine.then(read_affine(node, weights))
    return affine


def _is_pair_of_numbers(row: list[Node], affine: Affine) -> bool:
    """Tell whether it is as 1 - sigmoid(x), of which a reader of the file can tell that it is a gate."""
    alone = affine.scales or bool((affine.factor == 1).all())
    return affine.uniform and not alone and not any(isinstance(node.op, BatchNorm) for node in row)


def _merge(graph: Graph, row: list[Node], affine: Affine, arrays: dict[str, WeightArray]) -> Node:
    """The node that computes the whole row; its arrays take the place of the row's."""
    kept = next((node for node in row if isinstance(node.op, BatchNorm)), row[-1])
    old = [arrays.pop(name) for node in row for name in graph.weights_of(node)]
    dtype = old[0].dtype if old else np.dtype(np.float32)
    op, stored = _express(affine, dtype)
    arrays.update({f"{kept.id}.{name}": round_to(dtype, array, f"{kept.id}.{name}") for name, array in stored.items()})
    return replace(kept, op=op, inputs=row[0].inputs)


def _express(affine: Affine, dtype: np.dtype[Any]) -> tuple[Op, Mapping[str, ChannelVector]]:
    """The cheapest operation that computes it, and its stored tensors."""
    if affine.scales:
        return _one_part(Scale, "factor", affine.factor, dtype)
    if (affine.factor == 1).all():
        return _one_part(Shift, "term", affine.term, dtype)
    op, ones = BatchNorm(), np.ones(affine.factor.shape)
    weight = affine.factor * np.sqrt(1 + op.eps)
    return op, {"weight": weight, "bias": affine.term, "running_mean": 0 * ones, "running_var": ones}


def _one_part(
    kind: type[Scale | Shift], name: str, numbers: ChannelVector, dtype: np.dtype[Any]
) -> tuple[Op, Mapping[str, ChannelVector]]:
    if is_uniform(numbers):
        return kind(value=float(round_to(dtype, numbers[:1], name)[0])), {}
    return kind(trainable=True, per="channel"), {name: numbers}
