"""A graph of ours beside a network in plain torch: equal figures, and equal outputs with the same weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from archspec.api import to_torch
from compiler.analysis.cost.cost import measure_cost
from compiler.graph import Graph
from tests.support.lowering import TOLERANCE, difference, empty_inputs, run_torch, sample_inputs, stir
from tests.zoo.add_row import count_macs


def stored(module: nn.Module) -> list[Tensor]:
    """The values of a state dict in its order, without BatchNorm's counters; a layer scale of torchvision's ConvNeXt
    behind the layers that it scales, where it acts."""
    values: list[Tensor] = []
    scales: list[Tensor] = []
    for key, value in module.state_dict().items():
        if key.endswith("layer_scale"):
            scales.append(value)
        elif not key.endswith("num_batches_tracked"):
            values.append(value)
        if scales and key.endswith("block.5.bias"):
            values.append(scales.pop())
    return values


def lean(shape: Iterable[int]) -> list[int]:
    """A shape without extents of 1, in which a 1×1 kernel differs from a linear layer's."""
    return [extent for extent in shape if extent != 1]


def copy_in_order(graph: Graph, module: nn.Module, witness: nn.Module) -> None:
    """Give the witness the weights of a graph's module: those of the graph in the order of its nodes."""
    state, theirs = module.state_dict(), stored(witness)
    ours = [state[name] for name in graph.weights]
    assert [lean(value.shape) for value in theirs] == [lean(value.shape) for value in ours]
    for value, given in zip(theirs, ours, strict=True):
        value.copy_(given.reshape(value.shape))


def named(result: Any) -> dict[str, Any]:
    values = result if isinstance(result, dict) else {"output": result}
    return {name: value.numpy() for name, value in values.items()}


def assert_equal_outputs(graph: Graph, witness: nn.Module) -> None:
    """The witness computes what the graph's module does, with its weights; and something else with one of them changed.

    Factors of a layer scale start near zero, where nothing behind them shows; here they are near one.
    """
    module = stir(to_torch(graph)).eval()
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("factor"):
                value.add_(1)
        copy_in_order(graph, module, witness)
    inputs = sample_inputs(graph, 2)
    expected = run_torch(graph, module, inputs)
    tensors = [torch.from_numpy(value) for value in inputs.values()]
    with torch.no_grad():
        found = named(witness.eval()(*tensors))
        expected = expected if set(expected) == set(found) else {"output": next(iter(expected.values()))}
        assert difference(expected, found) < TOLERANCE
        kernels = [value for value in stored(witness) if value.ndim > 1]
        kernel = kernels[len(kernels) // 2]
        kernel.copy_(kernel.flip(0) + 1)
        assert difference(expected, named(witness(*tensors))) > 10 * TOLERANCE


def assert_equal_figures(graph: Graph, witness: nn.Module) -> None:
    """Parameters, statistics, multiply-accumulates and shapes, at the graph's sizes; the witness is on meta."""
    cost = measure_cost(graph)
    statistics = [b for key, b in witness.named_buffers() if not key.endswith("num_batches_tracked")]
    with FlopCounterMode(display=False) as counter:
        result = witness.eval()(*empty_inputs(graph, 1))
    assert cost.parameters == sum(parameter.numel() for parameter in witness.parameters())
    assert cost.buffers == sum(buffer.numel() for buffer in statistics)
    assert cost.macs["flops"] == counter.get_total_flops()
    assert cost.macs["conv-linear"] == count_macs(witness, graph)
    outputs = list(result.values()) if isinstance(result, dict) else [result]
    assert [tuple(graph[id].shape) for id in graph.outputs.values()] == [tuple(value.shape[1:]) for value in outputs]
