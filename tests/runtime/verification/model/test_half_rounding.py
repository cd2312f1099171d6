"""The twin of a model of half precision rounds after every node, as numpy rounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from archspec.errors import ArchspecError
from runtime.session.model_file import ModelFile
from runtime.verification.model.half_rounding import RoundedSession, find_half, find_halves, round_nodes
from tests.support.models import build_double, save

KINDS = pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16], ids=["float16", "bfloat16"])
X = (np.random.default_rng(0).standard_normal((2, 64)) * np.logspace(-9, 6, 64)).astype(np.float32)


def build(kind: int, *nodes: onnx.NodeProto, **stored: np.ndarray) -> onnx.ModelProto:
    """Nodes from `x` to `y`, (N, 64), with these weights, all of one type."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    weights = [numpy_helper.from_array(value.astype(dtype), name) for name, value in stored.items()]
    x, y = (helper.make_tensor_value_info(name, kind, ["N", 64]) for name in ("x", "y"))
    graph = helper.make_graph(list(nodes), "half", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def run(path: Path, x: np.ndarray = X) -> np.ndarray:
    return RoundedSession(path, providers=["cpu"]).run({"x": x})["y"]


@KINDS
def test_inputs_weights_and_results_are_rounded_as_numpy_does(kind: int, tmp_path: Path) -> None:
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    factor, term = np.full(64, 1 / 3, np.float32), np.full(64, 0.1, np.float32)
    nodes = helper.make_node("Mul", ["x", "factor"], ["m"]), helper.make_node("Add", ["m", "term"], ["y"])
    path = save(build(kind, *nodes, factor=factor, term=term), tmp_path / "m.onnx")

    def rounded(values: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return values.astype(dtype).astype(np.float32)

    with np.errstate(over="ignore"):
        expected = rounded(rounded(rounded(X) * rounded(factor)) + rounded(term))
    found = run(path)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    assert np.isinf(found).any() == (kind == TensorProto.FLOAT16)  # beyond 65,504
    assert (found != rounded(X * factor + term)).any()  # rounding at the end alone is something else


@KINDS
def test_values_keep_their_names_and_become_float32(kind: int) -> None:
    nodes = helper.make_node("Relu", ["x"], ["r"], name="first"), helper.make_node("Tanh", ["r"], ["y"], name="second")
    model = round_nodes(build(kind, *nodes))
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    types = {item.name: item.type.tensor_type.elem_type for item in (*inferred.value_info, *inferred.output)}
    assert types["r"] == types["y"] == TensorProto.FLOAT
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT
    kept = [node.name for node in model.graph.node if node.op_type != "Cast"]
    assert kept == ["first", "second"]


def test_a_model_of_float32_has_no_twin(tmp_path: Path) -> None:
    assert find_half(ModelFile.open(save(build_double(), tmp_path / "m.onnx"))) is None


def test_half_precision_of_large_weights_alone_is_found(tmp_path: Path) -> None:
    """Their types are known without their numbers, which stay in the file."""
    weight = numpy_helper.from_array(np.ones((64, 64), np.float16), "w")
    nodes = [helper.make_node("Cast", ["w"], ["c"], to=TensorProto.FLOAT), helper.make_node("Add", ["x", "c"], ["y"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [64, 64]) for name in "xy"]
    model = helper.make_model(
        helper.make_graph(nodes, "g", ends[:1], ends[1:], [weight]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    file = ModelFile.open(save(model, tmp_path / "m.onnx"))
    assert [item.name for item in file.weights] == ["w"]
    assert find_half(file) == "float16"
    assert find_halves(file.head) == {}  # the control


@KINDS
def test_weights_beside_the_file_are_found_and_nothing_is_left(kind: int, tmp_path: Path) -> None:
    factor = np.linspace(-2, 2, 64, dtype=np.float32)
    model = build(kind, helper.make_node("Mul", ["x", "factor"], ["y"]), factor=factor)
    inside = run(save(model, tmp_path / "inside.onnx"))
    path = tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, location="m.data", size_threshold=0)
    before = sorted(tmp_path.iterdir())
    np.testing.assert_array_equal(run(path), inside)
    assert sorted(tmp_path.iterdir()) == before


def test_an_error_of_the_twin_names_the_model(tmp_path: Path) -> None:
    """A product of 64 × 64 and 3 × 64, which ONNX's own inference does not see before the input's shape is known."""
    weight = np.ones((3, 64), np.float32)
    path = save(build(TensorProto.FLOAT16, helper.make_node("Mul", ["x", "w"], ["y"]), w=weight), tmp_path / "m.onnx")
    with pytest.raises(ArchspecError) as caught:
        run(path, np.ones((2, 64), np.float32))
    assert str(caught.value).startswith(f"{path}: ONNX Runtime failed: ")
