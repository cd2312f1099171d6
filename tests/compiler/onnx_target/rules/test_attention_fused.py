"""The networks of the zoo whose attention ONNX Runtime's optimizer for transformers fuses, in the files as exported."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from onnxruntime.transformers.optimizer import optimize_model

from archspec.api import elaborate, load, to_torch
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
