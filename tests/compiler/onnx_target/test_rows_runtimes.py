"""Transformers in rows: every runtime and precision computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from archspec.api import to_torch
from compiler.graph import Graph
from compiler.onnx_target.int8.quantize import plan_quantization, quantize_model
from compiler.onnx_target.int8.scheme import Int8Recipe, Scheme
from compiler.onnx_target.model import build_model
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.onnx_target.options import ExportOptions
from compiler.onnx_target.write import to_bytes
from tests.support.lowering import TOLERANCE, Arrays, difference, run_onnx, run_torch, sample_inputs, stir
from tests.support.openvino_core import compile_openvino
from tests.support.processors import needs_whole_sums
from tests.support.transformers import build_swin, build_vit

GRAPHS = {"vit": build_vit(), "swin": build_swin("H", "W", H=8, W=12)}


def build(graph: Graph, **options: Any) -> tuple[OnnxModel, Arrays, Arrays]:
    """The model, inputs, and what torch makes of them."""
    module, inputs = stir(to_torch(graph)), sample_inputs(graph, 2)
    weights = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    return build_model(graph, weights, options=ExportOptions(**options)), inputs, run_torch(graph, module, inputs)


@pytest.mark.parametrize("name", GRAPHS)
def test_the_reference_of_onnx(name: str) -> None:
    model, inputs, expected = build(GRAPHS[name])
    found = ReferenceEvaluator(onnx.load_from_string(to_bytes(model))).run(None, inputs)
    assert difference(expected, dict(zip(expected, found, strict=True))) < TOLERANCE  # type: ignore[arg-type]


@pytest.mark.parametrize("name", GRAPHS)
def test_openvino(name: str, tmp_path: Path) -> None:
    model, inputs, expected = build(GRAPHS[name])
    path = tmp_path / "model.onnx"
    path.write_bytes(to_bytes(model))
    found = compile_openvino(path)(list(inputs.values()))
    assert difference(expected, {name: found[place] for place, name in enumerate(expected)}) < TOLERANCE


@pytest.mark.parametrize("name", GRAPHS)
def test_half_precision(name: str) -> None:
    model, inputs, expected = build(GRAPHS[name], precision="fp16", io="fp32")
    assert difference(expected, run_onnx(to_bytes(model), inputs)) < 0.01
    model, _, _ = build(GRAPHS[name], precision="bf16")  # for which the CPU has not all kernels
    onnx.checker.check_model(onnx.load_from_string(to_bytes(model)), full_check=True)


@pytest.mark.parametrize("recipe", ["u8s8", "s8s8"])
@pytest.mark.parametrize("name", GRAPHS)
@needs_whole_sums
def test_int8_of_projections(name: str, recipe: Int8Recipe) -> None:
    """Projections are computed in integers; the products of attention, whose operands are both values, stay float."""
    model, inputs, expected = build(GRAPHS[name])
    plan = plan_quantization(model, recipe)
    assert len(plan.layers) == 2 * 6
    quantized = quantize_model(model, Scheme(recipe, dict.fromkeys(plan.values, (-6.0, 6.0))))
    assert difference(expected, run_onnx(to_bytes(quantized), inputs)) < 0.15
