"""Tensors are found wherever a model can hold them."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from compiler.onnx_file.tensors import find_tensors
from tests.support.models import build_model


def make_tensor(name: str) -> TensorProto:
    return numpy_helper.from_array(np.ones(1, np.float32), name)


def test_tensors_are_found_in_every_place() -> None:
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=make_tensor("of a branch"))],
        "branch",
        [],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [1])],
        [make_tensor("stored in a branch")],
    )
    nodes = [helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)]
    model = build_model(nodes, {"x": [1]}, {"y": [1]}, {"stored": np.ones(1, np.float32)})
    held = [helper.make_node("Constant", [], ["y"], value=make_tensor("of a function"))]
    model.functions.append(helper.make_function("own", "F", [], ["y"], held, []))
    model.graph.sparse_initializer.add(values=make_tensor("sparse values"), indices=make_tensor("sparse places"))
    found = sorted(tensor.name for tensor in find_tensors(model))
    branches = ["of a branch", "stored in a branch"] * 2
    assert found == sorted(["stored", "of a function", "sparse values", "sparse places", *branches])


def test_what_is_found_is_the_models_own() -> None:
    model = build_model([], {"x": [1]}, {"x": [1]}, {"stored": np.ones(1, np.float32)})
    (tensor,) = find_tensors(model)
    tensor.ClearField("raw_data")
    assert not model.graph.initializer[0].raw_data


def test_a_model_without_tensors_has_none() -> None:
    """The control."""
    assert list(find_tensors(build_model([helper.make_node("Relu", ["x"], ["y"])], {"x": [1]}, {"y": [1]}))) == []
