"""Every spec of the zoo in torch and in ONNX Runtime: sizes of weights, shapes, and equal numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from archspec.api import accepted_sizes, elaborate, load, proof_cases, to_torch
from archspec.spec.zoo import zoo_specs
from compiler.analysis.cost import measure_cost
from compiler.graph import Graph
from tests.lowering import TOLERANCE, difference, export, run_onnx, run_torch, stir

SPECS = sorted(zoo_specs())


def small_cases(graph: Graph) -> list[dict[str, tuple[int, ...]]]:
    """The proof's cases without those at the usual size, which are large: two batches and two sizes are left."""
    cases = proof_cases(graph)
    dynamic = any(rule.dynamic for rule in accepted_sizes(graph).values())
    return cases[:3] if dynamic else cases[:2]


@pytest.mark.parametrize("name", SPECS)
def test_parameters_and_shapes_are_torchs(name: str) -> None:
    graph = elaborate(load(name))
    with torch.device("meta"):
        shapes = {key: tuple(weight.shape) for key, weight in graph.weights.items()}
    module = to_torch(graph)
    assert {key: tuple(value.shape) for key, value in module.state_dict().items()} == shapes
    cost = measure_cost(graph)
    assert cost.parameters == sum(parameter.numel() for parameter in module.parameters())
    assert cost.buffers == sum(buffer.numel() for buffer in module.buffers())
    on_meta = module.to("meta").eval()
    result = on_meta(*(torch.empty(2, *node.shape, device="meta") for node in graph.inputs.values()))
    found = result if isinstance(result, dict) else {next(iter(graph.outputs)): result}
    assert {key: tuple(value.shape) for key, value in found.items()} == {
        key: (2, *graph[id].shape) for key, id in graph.outputs.items()
    }


@pytest.mark.parametrize("name", SPECS)
def test_onnx_runtime_agrees_with_torch(name: str, tmp_path: Path) -> None:
    graph = elaborate(load(name))
    module = stir(to_torch(graph))
    path = export(graph, module.state_dict(), tmp_path)
    cases = small_cases(graph)
    assert len({shape[0] for case in cases for shape in case.values()}) >= 2
    if any(rule.dynamic for rule in accepted_sizes(graph).values()):
        assert len({shape[1:] for case in cases for shape in case.values()}) >= 2
    random = np.random.default_rng(0)
    for case in cases:
        inputs = {key: random.standard_normal(shape).astype(np.float32) for key, shape in case.items()}
        assert difference(run_torch(graph, module, inputs), run_onnx(path, inputs)) < TOLERANCE, case
    path.unlink()


@pytest.mark.parametrize("name", ["resnet_digits", "se_net", "residual_mlp"])
def test_one_wrong_weight_shows(name: str, tmp_path: Path) -> None:
    """The control: with one number of one kernel changed, the comparison above fails."""
    graph = elaborate(load(name))
    module = stir(to_torch(graph))
    case = small_cases(graph)[0]
    inputs = {key: np.random.default_rng(0).standard_normal(shape).astype(np.float32) for key, shape in case.items()}
    expected = run_torch(graph, module, inputs)
    weights = {key: value.clone() for key, value in module.state_dict().items()}
    kernel = next(value for key, value in weights.items() if key.endswith(".weight") and value.dim() > 1)
    kernel.view(-1)[kernel.numel() // 2] += 0.5
    assert difference(expected, run_onnx(export(graph, weights, tmp_path), inputs)) > TOLERANCE
