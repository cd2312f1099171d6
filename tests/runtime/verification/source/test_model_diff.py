"""Why a node computes something else is said by what stands in the file, and nothing is said of a sound one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from compiler.onnx_target.model import build_model
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.onnx_target.write import write_model
from runtime.verification.model.inside import ModelInside
from runtime.verification.source.model_diff import compare_attributes, compare_stored, find_reasons
from tests.support.verification import make

HEAD = "linear_0"


@pytest.fixture(scope="module")
def built() -> OnnxModel:
    graph, module = make()
    return build_model(graph, {name: value.numpy() for name, value in module.state_dict().items()})


@pytest.fixture
def path(built: OnnxModel, tmp_path: Path) -> Path:
    write_model(built, tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def name_all(built: OnnxModel) -> list[str]:
    return [node.id for node in built.graph]


def test_a_sound_file_gives_no_reason(built: OnnxModel, path: Path) -> None:
    inside = ModelInside(path)
    assert (compare_attributes(inside, built), compare_stored(inside, built)) == ([], [])
    assert [find_reasons(inside, built, name, name_all(built)) for name in name_all(built)] == [()] * len(built.graph)


def test_another_number_is_counted(built: OnnxModel, path: Path) -> None:
    model = onnx.load(path)
    tensor = next(item for item in model.graph.initializer if item.name == f"{HEAD}.bias")
    array = numpy_helper.to_array(tensor).copy()
    array[1] += np.float32(0.5)
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    onnx.save(model, path)
    inside = ModelInside(path)
    told = f"1 of 10 numbers of {HEAD}.bias differ, by at most 0.5"
    assert compare_stored(inside, built) == [told]
    assert find_reasons(inside, built, HEAD, name_all(built)) == (told,)
    others = [name for name in name_all(built) if name != HEAD]
    assert {find_reasons(inside, built, name, name_all(built)) for name in others} == {()}


def test_another_attribute_is_told(built: OnnxModel, path: Path) -> None:
    model = onnx.load(path)
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    item = next(item for item in conv.attribute if item.name == "dilations")
    before = list(item.ints)
    item.ints[:] = [2, 2]
    onnx.save(model, path)
    inside = ModelInside(path)
    assert compare_attributes(inside, built) == [f"{conv.name}: dilations is [2, 2], expected {before}"]
    assert find_reasons(inside, built, conv.name, name_all(built)) == (f"dilations is [2, 2], expected {before}",)


def test_another_operation_is_told(built: OnnxModel, path: Path) -> None:
    model = onnx.load(path)
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type = "Abs"
    onnx.save(model, path)
    found = find_reasons(ModelInside(path), built, relu.name, name_all(built))
    assert found == (f"{relu.name} is Abs, expected Relu",)
