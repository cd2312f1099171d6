"""What runs of a model in memory give is what onnx's own definitions give."""

from __future__ import annotations

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from compiler.onnx_target.onnx_model import OnnxModel
from compiler.onnx_target.write import to_bytes
from runtime.int8.running import run_exposed, run_model


def test_outputs_and_values_are_the_references(model: OnnxModel) -> None:
    images = np.random.default_rng(0).standard_normal((3, 1, 8, 8)).astype(np.float32)
    proto = onnx.load_model_from_string(to_bytes(model))
    inner = proto.graph.node[0].output[0]
    proto.graph.output.append(onnx.helper.make_tensor_value_info(inner, onnx.TensorProto.FLOAT, None))
    (last, hidden) = ReferenceEvaluator(proto).run(None, {"image": images})
    (name,) = (item.name for item in model.head.graph.output)
    assert np.allclose(run_model(model)(images)[name], last, atol=1e-5)
    assert not np.allclose(run_model(model)(-images)[name], last, atol=1e-2)
    found = run_exposed(model, [inner, "image"])(images)
    assert list(found) == [inner, "image"]
    assert found["image"] is images
    assert np.allclose(found[inner], hidden, atol=1e-5)
    assert list(run_exposed(model, ["image"])(images)) == ["image"]
