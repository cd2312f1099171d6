"""The networks of the zoo whose attention ONNX Runtime's optimizer for transformers fuses, in the files as exported."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime.transformers.optimizer import optimize_model

from archspec.api import elaborate, load, to_torch
from archspec.ops import Input
from compiler.graph import Graph
from tests.support.lowering import TOLERANCE, difference, export, run_onnx, run_torch, sample_inputs, stir

VIT = {
    "Conv": 1,
    "Attention": 12,
    "SkipLayerNormalization": 24,
    "LayerNormalization": 1,
    "BiasGelu": 12,
    "MatMul": 36,
    "Gemm": 1,
}


@pytest.mark.parametrize("width", [48, pytest.param(768, marks=pytest.mark.slow)])
def test_every_block_of_vit_b_16(width: int, tmp_path: Path) -> None:
    """All twelve blocks are fused, the first too, whose operand is the sum of tokens and places."""
    graph = elaborate(load("vit_b_16", {"width": width}))
    module = stir(to_torch(graph))
    path = export(graph, module.state_dict(), tmp_path)
    found = optimize_model(str(path), model_type="vit", num_heads=12, hidden_size=width, opt_level=0)
    kinds = Counter(node.op_type for node in found.model.graph.node)
    assert {kind: kinds[kind] for kind in VIT} == VIT
    assert not {"Softmax", "Div", "Erf", "Gelu"} & set(kinds)
    inputs = sample_inputs(graph, 2)
    expected = run_torch(graph, module, inputs)
    fused = tmp_path / "fused.onnx"
    found.save_model_to_file(str(fused))
    assert difference(expected, run_onnx(fused, inputs)) < TOLERANCE
    assert difference(run_onnx(path, inputs), run_onnx(fused, inputs)) < TOLERANCE
    for tensor in found.model.graph.initializer:  # the control: another bias of the fused projections shows
        if tensor.name.endswith("_qkv_bias"):
            tensor.raw_data = (np.frombuffer(tensor.raw_data, np.float32) + 0.1).tobytes()
    found.save_model_to_file(str(fused))
    assert difference(expected, run_onnx(fused, inputs)) > 10 * TOLERANCE


SMALL = {"width": 24, "heads": [1, 2, 3, 6]}
CASES = [
    (SMALL, 12, {}),  # sizes that are fixed
    ({"width": 24, "heads": [1, 2], "depths": [2, 2]}, 4, {"H": 64, "W": 96}),
    pytest.param(SMALL, 12, {"H": 64, "W": 96}, marks=pytest.mark.slow),
    pytest.param({}, 12, {}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("params", "blocks", "sizes"), CASES, ids=["fixed", "two stages", "free", "whole"])
def test_every_block_of_swin_t(params: dict[str, Any], blocks: int, sizes: dict[str, int], tmp_path: Path) -> None:
    """Attention in windows is fused with its bias and its mask, where sizes are fixed and where they are free: by the
    optimizer for Conformers, which alone takes a bias that is no mask."""
    graph = elaborate(load("swin_t", params), sizes)
    graph = graph if sizes else fix_sizes(graph)
    module = stir(to_torch(graph))
    path = export(graph, module.state_dict(), tmp_path)
    found = optimize_model(str(path), model_type="conformer", opt_level=0)
    kinds = Counter(node.op_type for node in found.model.graph.node)
    assert {kinds[kind] for kind in ("Attention", "SkipLayerNormalization", "BiasGelu")} == {blocks}
    assert not {"Softmax", "Erf", "Gelu", "FusedMatMul"} & set(kinds)
    biases = [node.input[5] for node in found.model.graph.node if node.op_type == "Attention"]
    assert all(biases)
    fused = tmp_path / "fused.onnx"
    found.save_model_to_file(str(fused))
    inputs = sample_inputs(graph, 2)
    assert difference(run_torch(graph, module, inputs), run_onnx(fused, inputs)) < TOLERANCE
    if sizes:  # with one window along an axis, and with windows that are padded
        inputs = sample_inputs(graph, 3, {"H": 32, "W": 160})
        assert difference(run_torch(graph, module, inputs), run_onnx(fused, inputs)) < TOLERANCE
    for node in found.model.graph.node:  # the control: without the biases of windows
        if node.op_type == "Attention":
            del node.input[5:]
    found.save_model_to_file(str(fused))
    inputs = sample_inputs(graph, 2)
    assert difference(run_torch(graph, module, inputs), run_onnx(fused, inputs)) > 10 * TOLERANCE


def fix_sizes(graph: Graph) -> Graph:
    """The graph with its sizes as numbers."""
    fixed = {name: replace(node, op=Input(dims=tuple(node.shape))) for name, node in graph.inputs.items()}
    return replace(graph, nodes={**graph.nodes, **fixed}, sizes={})
