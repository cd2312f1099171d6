"""The versions of ONNX that have the types of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from archspec.api import elaborate, load, to_torch
from archspec.ops import Op, Shape
from compiler.graph import Graph
from compiler.onnx_target import formats
from compiler.onnx_target.model import build_model
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.onnx_target.options import ExportOptions, Precision
from compiler.onnx_target.write import write_model
from tests.support.lowering import graph_of
from tests.support.op_examples import walk

KINDS = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}


def build(graph: Graph, weights: Mapping[str, Any], options: ExportOptions) -> OnnxModel:
    return build_model(graph, {name: np.asarray(value) for name, value in weights.items()}, options=options)


@pytest.mark.parametrize(("precision", "opset", "ir_version"), [("fp32", 17, 8), ("fp16", 17, 8), ("bf16", 22, 10)])
def test_the_versions_of_onnx_have_the_type(precision: Precision, opset: int, ir_version: int) -> None:
    graph = elaborate(load("resnet_digits"))
    model = build(graph, to_torch(graph).state_dict(), ExportOptions(precision=precision))
    assert (model.head.opset_import[0].version, model.head.ir_version) == (opset, ir_version)
    assert model.metadata["archspec.precision"] == precision
    types = [value.type.tensor_type.elem_type for value in (*model.head.graph.input, *model.head.graph.output)]
    assert types == [KINDS[precision]] * 2


def test_an_older_opset_does_not_have_bfloat16() -> None:
    """Why bf16 is not written in opset 17 as the others are."""
    schema = onnx.defs.get_schema("Conv", 17)
    assert "tensor(bfloat16)" not in schema.type_constraints[0].allowed_type_strs
    assert "tensor(bfloat16)" in onnx.defs.get_schema("Conv", 22).type_constraints[0].allowed_type_strs


@walk
def test_each_operation_is_sound_in_the_opset_that_another_asks_for(
    op: Op, shapes: tuple[Shape, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network has one opset, the newest that one of its operations needs; onnx's checker refuses what it has not."""
    opset = max(formats.FIRST_OPSETS.values())
    monkeypatch.setattr(formats, "FIRST_OPSETS", {op.kind: opset})
    graph = graph_of(op, *shapes)
    weights = {name: np.ones(weight.shape, np.float32) for name, weight in graph.weights.items()}
    model = build(graph, weights, ExportOptions())
    assert model.head.opset_import[0].version == opset > formats.FORMATS["fp32"].opset
    write_model(model, tmp_path / "op.onnx")
