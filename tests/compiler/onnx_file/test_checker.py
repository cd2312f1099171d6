"""onnx's checker on a model without its weights: what it refuses with them, it refuses without."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.checker import ValidationError

from compiler.onnx_file.checker import check_model, lacks_shape
from tests.support.models import build_double, build_linear


def take_apart(model: onnx.ModelProto) -> tuple[onnx.ModelProto, list[TensorProto]]:
    """The model without its stored tensors, and these without their numbers."""
    stored = [TensorProto(name=item.name, dims=item.dims, data_type=item.data_type) for item in model.graph.initializer]
    model.graph.ClearField("initializer")
    return model, stored


def build() -> onnx.ModelProto:
    return build_linear(np.ones((5, 64), np.float32), np.zeros(5, np.float32))


def test_a_sound_model_passes_without_its_numbers_and_is_not_changed() -> None:
    model, stored = take_apart(build())
    before = model.SerializeToString(deterministic=True)
    check_model(model, stored)
    assert model.SerializeToString(deterministic=True) == before
    with pytest.raises(ValidationError, match="weight"):  # which nobody gives
        check_model(model)


@pytest.mark.parametrize("fault", ["operation", "order", "twice", "type"])
def test_what_onnx_refuses_is_refused_without_the_numbers(fault: str) -> None:
    model = build()
    if fault == "operation":
        model.graph.node[0].op_type = "Flaten"
    elif fault == "order":
        nodes = list(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend(nodes[::-1])
    elif fault == "twice":
        model.graph.node[0].output[0] = "image"
    else:
        model.graph.initializer[0].data_type = TensorProto.UNDEFINED
    with pytest.raises(ValidationError):
        onnx.checker.check_model(model)
    bare, stored = take_apart(model)
    with pytest.raises(ValidationError):
        check_model(bare, stored)


def test_tensors_in_other_files_are_not_looked_for() -> None:
    model = build()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="nowhere.data")
    check_model(model)
    with pytest.raises(ValidationError):
        onnx.checker.check_model(model)


def test_an_output_may_have_any_shape() -> None:
    model = build_double()
    model.graph.output[0].type.tensor_type.ClearField("shape")
    assert lacks_shape(model.graph.output[0])
    assert not lacks_shape(model.graph.input[0])
    check_model(model)
    assert lacks_shape(model.graph.output[0])
    with pytest.raises(ValidationError):
        onnx.checker.check_model(model)


def test_numbers_in_the_model_are_still_checked() -> None:
    model = build()
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.zeros(5, np.float32), "bias"))
    check_model(model)
    model.graph.initializer[1].raw_data = b"123"
    with pytest.raises(ValidationError, match="bias"):
        check_model(model)


def test_what_is_no_tensor_lacks_no_shape() -> None:
    assert not lacks_shape(helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None))
