"""Every spec of the zoo in torch and in ONNX Runtime: shapes of weights, a step of training, and equal numbers.

The networks run at their rows' small sizes; marked `slow`, most of them also as they are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from archspec.api import to_torch
from archspec.ops import Shake, ShakeDrop, StochasticDepth
from compiler.analysis.cost.cost import measure_cost
from tests.support.lowering import TOLERANCE, difference, empty_inputs, export, run_onnx, run_torch, sample_inputs, stir
from tests.zoo.rows import NAMES, ROWS, at_home, build_small, choose_sizes

BATCHES = (1, 3)

LARGEST = 50_000_000_000
"""Multiply-accumulates of the largest network that also runs at its usual size."""

UNSTEADY = {"preresnet1001", "resnet1202", "shortcut_only_gate"}
"""Networks whose values double at each of hundreds of sums before they are trained, beyond what fp32 holds; and one
that, before it is trained, amplifies rounding until torch in fp32 and in fp64 disagree. With the weights and at the
depth of their rows they are compared as all others are."""


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_shapes_are_torchs(name: str) -> None:
    graph = at_home(name)
    with torch.device("meta"):
        shapes = {key: tuple(weight.shape) for key, weight in graph.weights.items()}
    module = to_torch(graph)
    assert {key: tuple(value.shape) for key, value in module.state_dict().items()} == shapes
    cost = measure_cost(graph)
    assert cost.parameters == sum(parameter.numel() for parameter in module.parameters())
    assert cost.buffers == sum(buffer.numel() for buffer in module.buffers())
    on_meta = module.to("meta").eval()
    result = on_meta(*empty_inputs(graph, 2))
    found = result if isinstance(result, dict) else {next(iter(graph.outputs)): result}
    assert {key: tuple(value.shape) for key, value in found.items()} == {
        key: (2, *graph[id].shape) for key, id in graph.outputs.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_training_reaches_every_weight(name: str) -> None:
    """A step's gradients are finite, and none is missing or zero.

    Where chance may drop a block for the whole batch, what a block's weights take is looked at in evaluation mode.
    """
    graph = build_small(ROWS[name])
    module = stir(to_torch(graph))
    inputs = [torch.from_numpy(value) for value in sample_inputs(graph, 4).values()]
    chance = any(isinstance(node.op, StochasticDepth | ShakeDrop | Shake) for node in graph)
    torch.manual_seed(0)
    for training in (True, False) if chance else (True,):
        module.train(training).zero_grad()
        result = module(*inputs)
        values = list(result.values()) if isinstance(result, dict) else [result]
        sum((value * torch.randn_like(value)).mean() for value in values).backward()
        for key, parameter in module.named_parameters():
            assert parameter.grad is not None, key
            assert parameter.grad.isfinite().all(), key
    assert [
        key for key, parameter in module.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ] == []


@pytest.mark.parametrize("name", NAMES)
def test_onnx_runtime_agrees_with_torch(name: str, tmp_path: Path) -> None:
    """One file for every batch, and for every size that the weights fit."""
    graph = build_small(ROWS[name])
    module = stir(to_torch(graph))
    path = export(graph, module.state_dict(), tmp_path)
    sizes = choose_sizes(graph)
    assert len(sizes) == (2 if ROWS[name].dynamic else 1)
    for batch, chosen in zip(BATCHES, (sizes[0], sizes[-1]), strict=True):
        inputs = sample_inputs(graph, batch, chosen)
        assert difference(run_torch(graph, module, inputs), run_onnx(path, inputs)) < TOLERANCE, (batch, chosen)
    path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if ROWS[name].macs <= LARGEST and name not in UNSTEADY])
def test_onnx_runtime_agrees_with_torch_at_the_usual_size(name: str, tmp_path: Path) -> None:
    """The whole network, as it starts."""
    graph = at_home(name)
    module = to_torch(graph)
    path = export(graph, module.state_dict(), tmp_path)
    inputs = sample_inputs(graph, 1)
    assert difference(run_torch(graph, module, inputs), run_onnx(path, inputs)) < TOLERANCE
    path.unlink()


@pytest.mark.parametrize("name", ["resnet_digits", "se_net", "residual_mlp"])
def test_one_wrong_weight_shows(name: str, tmp_path: Path) -> None:
    """The control: with one number of one kernel changed, the comparison above fails."""
    graph = build_small(ROWS[name])
    module = stir(to_torch(graph))
    inputs = sample_inputs(graph, 1)
    expected = run_torch(graph, module, inputs)
    weights = {key: value.clone() for key, value in module.state_dict().items()}
    kernel = next(value for key, value in weights.items() if key.endswith(".weight") and value.dim() > 1)
    kernel.view(-1)[kernel.numel() // 2] += 0.5
    assert difference(expected, run_onnx(export(graph, weights, tmp_path), inputs)) > TOLERANCE


def test_frozen_weights_get_no_gradient() -> None:
    """The control: with one parameter held, the test of training names it."""
    graph = build_small(ROWS["resnet_digits"])
    module = to_torch(graph)
    key, parameter = next(iter(module.named_parameters()))
    parameter.requires_grad_(False)
    module(*(torch.from_numpy(value) for value in sample_inputs(graph, 4).values())).mean().backward()
    assert [name for name, weight in module.named_parameters() if weight.grad is None] == [key]
    assert np.isfinite(module.state_dict()[key].numpy()).all()
