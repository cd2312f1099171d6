"""Arithmetic on whole numbers gives what numpy gives, whether they are known or computed by the model."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from archspec.ops import Relu, Shape
from compiler.onnx_target.emitter import Emitter, ModelEmitter, OnnxValue
from compiler.onnx_target.shapes import name_shapes
from compiler.onnx_target.whole_numbers import WholeNumbers, add_up
from tests.support.lowering import graph_of, run_onnx


def emitter() -> Emitter:
    graph = graph_of(Relu(), Shape(4, 5))
    return Emitter(ModelEmitter(graph, {}, name_shapes(graph, {})), graph["op"])


def compute(extent: WholeNumbers) -> WholeNumbers:
    """A function of a number that uses all there is."""
    at = (extent.count_up() + (extent - 1).least(3)) % extent
    square = add_up([at.reshape(-1, 1) * 10, (at // 2).reshape(1, -1)])
    return square.swap().reshape(-1)


def expected(extent: int) -> list[int]:
    at = [(i + min(extent - 1, 3)) % extent for i in range(extent)]
    return [10 * row + column // 2 for column in at for row in at]


@pytest.mark.parametrize("extent", [1, 3, 7])
def test_known_numbers_write_no_nodes(extent: int) -> None:
    emit = emitter()
    found = compute(WholeNumbers(emit, np.array([extent]))).write("found")
    assert not emit.model.nodes
    assert list(np.asarray(emit.model.tensors[found.name])) == expected(extent)


def test_others_are_computed_by_the_model() -> None:
    emit = emitter()
    found = compute(WholeNumbers(emit, OnnxValue("extent"))).write("found")
    tensors = [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in emit.model.tensors.items()]
    integers = onnx.TensorProto.INT64
    ends = [
        onnx.helper.make_tensor_value_info(name, integers, shape)
        for name, shape in (("extent", [1]), (found.name, [None]))
    ]
    graph = onnx.helper.make_graph([node.to_proto() for node in emit.model.nodes], "g", ends[:1], ends[1:], tensors)
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    for extent in (1, 3, 7):
        result = run_onnx(model.SerializeToString(), {"extent": np.array([extent])})
        assert list(result[found.name]) == expected(extent)


def test_what_changes_nothing_writes_nothing() -> None:
    emit = emitter()
    extent = WholeNumbers(emit, OnnxValue("extent"))
    assert (extent + 0 - 0) * 1 // 1 is extent
