"""What real networks see, by their gradients: the witness of receptive fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from archspec.api import to_torch
from archspec.ops import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    Add,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    L2Norm,
    Max,
    MaxPool,
    Min,
    Op,
    Reduce,
    RmsNorm,
    Scale,
    Softmax,
    Span,
    Sub,
)
from archspec.ops.scalar import Activation
from compiler.analysis.field.fields import OutputField
from compiler.analysis.field.receptive_field import ReceptiveField, measure_receptive_field
from compiler.graph import Graph
from tests.support.documents import graph_from


def only_field(found: ReceptiveField) -> OutputField:
    """The field of a network's only output on its only input."""
    ((field,),) = found.outputs.values()
    return field


def measure_signal(network: list[Any], length: int = 64) -> ReceptiveField:
    """The field of a network on a signal of two channels."""
    return measure_receptive_field(graph_from({"archspec": 1, "inputs": {"x": [2, length]}, "network": network}))


def measure_middle(network: list[Any], *shape: int) -> OutputField:
    """The field of a network's only output on an input of this shape."""
    return only_field(
        measure_receptive_field(graph_from({"archspec": 1, "inputs": {"x": list(shape)}, "network": network}))
    )


def make_transparent(graph: Graph) -> Graph:
    """The same network, of which the gradient shows every dependency: a maximum passes its gradient to one position
    alone, and an activation may have none."""

    def swap(op: Op) -> Op:
        match op:
            case MaxPool():
                return AvgPool(**op.model_dump())
            case AdaptiveMaxPool():
                return AdaptiveAvgPool(**op.model_dump())
            case GlobalMaxPool():
                return GlobalAvgPool()
            case Reduce(by="max"):
                return op.model_copy(update={"by": "mean"})
            case Max() | Min() | Sub():
                return Add(repeat=op.repeat)
            case Softmax(over="positions"):
                return op
            case Activation() | L2Norm() | RmsNorm():
                return Scale(value=0.9)
        return op

    return replace(graph, nodes={node.id: replace(node, op=swap(node.op)) for node in graph})


def look(graph: Graph, id: str, positions: Iterable[Sequence[int]]) -> Iterator[dict[str, list[Span]]]:
    """By input and axis the first and last position on which a node's result depends at each of `positions`: where its
    gradient is not zero, with random weights and inputs in double precision."""
    graph = replace(make_transparent(graph), outputs={"y": id})
    module = to_torch(graph).double().eval()
    random = torch.Generator().manual_seed(0)
    for tensor in module.state_dict().values():
        fan = max(1, tensor[0].numel()) if tensor.dim() else 1
        tensor.copy_((0.5 + torch.rand(tensor.shape, generator=random, dtype=torch.float64)) / fan)
    inputs = {
        name: (0.5 + torch.rand((1, *node.shape), generator=random, dtype=torch.float64)).requires_grad_()
        for name, node in graph.inputs.items()
    }
    result = module(*inputs.values())[0]
    weights = torch.rand(len(result), generator=random, dtype=torch.float64)
    for position in positions:
        value = (result[(slice(None), *position)] * weights).sum()
        slopes: Sequence[Tensor | None] = torch.autograd.grad(
            value, list(inputs.values()), retain_graph=True, allow_unused=True
        )
        places = {
            name: slope[0].abs().amax(0).nonzero()
            for name, slope in zip(inputs, slopes, strict=True)
            if slope is not None and bool(slope.any())
        }
        yield {name: [(int(axis.min()), int(axis.max())) for axis in found.T] for name, found in places.items()}
