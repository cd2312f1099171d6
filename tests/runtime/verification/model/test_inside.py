"""What is stored in a file can be read, wherever and however it is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from archspec.api import verify_model
from tests.support.verification import FLOAT, make_node, row, save


def make_packed(kind: int, numbers: bytes, extent: int) -> onnx.TensorProto:
    return TensorProto(name="w", data_type=kind, dims=[extent], raw_data=numbers)


@pytest.mark.parametrize("extent", [4, 5])
@pytest.mark.parametrize(
    "kind", [TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E5M2]
)
def test_packed_numbers_may_lie_in_another_file(kind: int, extent: int, tmp_path: Path) -> None:
    packed = bytes(range(1, 1 + (extent if "FLOAT8" in TensorProto.DataType.Name(kind) else (extent + 1) // 2)))
    nodes = [make_node("Cast", ["w"], ["f"], to=FLOAT), make_node("Mul", ["x", "f"], ["y"])]
    model = onnx.load(save(tmp_path, nodes, {"x": ["N", extent]}, {"y": ["N", extent]}, opset=21))
    model.ir_version = 10
    model.graph.initializer.append(make_packed(kind, packed, extent))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, size_threshold=0, location="m.data")
    found = verify_model(tmp_path / "m.onnx")
    assert found.passed
    assert f"1 stored tensors of {extent} numbers" in row(found, "numbers").text
    assert "onnx.reference agrees" in row(found, f"x 1 × {extent}").text


def test_no_numbers_may_lie_in_another_file(tmp_path: Path) -> None:
    nodes = [make_node("Concat", ["x", "w"], ["y"], axis=1)]
    path = save(tmp_path, nodes, {"x": [2, 4]}, {"y": [2, 4]}, {"w": np.zeros((2, 0), np.float32)})
    onnx.save(onnx.load(path), path, save_as_external_data=True, size_threshold=0, location="m.data")
    assert onnx.load(path, load_external_data=False).graph.initializer[0].external_data
    assert verify_model(path).passed
