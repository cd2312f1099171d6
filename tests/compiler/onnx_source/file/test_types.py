"""Memory of models from files: their own types, and kernels that several layers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import DTypeLike
from onnx import TensorProto, helper, numpy_helper, save

from archspec.errors import ArchspecError
from compiler.analysis.memory.memory import largest_batch, measure_memory
from compiler.graph import Graph
from compiler.onnx_source.read import read_graph

X: list[int | str] = ["batch", 4, 6, 6]


def read(nodes: Sequence[onnx.NodeProto], stored: Mapping[str, Any], kind: int, folder: Path) -> Graph:
    outputs = [helper.make_tensor_value_info("y", kind, ["batch", 4, 6, 6])]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items()]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", kind, X)], outputs, tensors)
    path = folder / "m.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return read_graph(path)


@pytest.mark.parametrize(
    ("kind", "type", "width"), [(TensorProto.FLOAT16, np.float16, 2), (TensorProto.FLOAT, np.float32, 4)]
)
def test_values_and_weights_have_the_files_types(kind: int, type: DTypeLike, width: int, tmp_path: Path) -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], pads=[1] * 4), helper.make_node("Relu", ["c"], ["y"])]
    weights: dict[str, np.ndarray[Any, Any]] = {"w": np.ones((4, 4, 3, 3), type)}
    graph = read(nodes, weights, kind, tmp_path)
    found = measure_memory(graph, batch=3)
    assert found.inference.weights == sum(array.nbytes for array in weights.values())
    assert found.inference.peak.bytes == 2 * 3 * width * 4 * 6 * 6
    assert found.precision == ("fp32" if width == 4 else "float16")
    asked = measure_memory(graph, batch=3, precision="fp32").inference
    assert (asked.weights, asked.peak.bytes) == (4 * 144, 2 * 3 * 4 * 144)
    assert found.training == measure_memory(graph, batch=3, precision="fp32").training


def test_weights_of_eight_bits(tmp_path: Path) -> None:
    """What is stored takes one byte, and what is computed of it four."""
    stored = {"q": np.ones((4, 4, 3, 3), np.int8), "s": np.float32(0.1), "z": np.int8(0)}
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"]),
        helper.make_node("Conv", ["x", "w"], ["y"], pads=[1] * 4),
    ]
    found = measure_memory(read(nodes, stored, TensorProto.FLOAT, tmp_path))
    assert 144 <= found.inference.weights <= 144 + 5
    assert found.inference.peak.bytes == 2 * 4 * 144


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
def test_a_kernel_that_two_layers_share_is_held_once(kind: str, tmp_path: Path) -> None:
    nodes = [
        helper.make_node(kind, ["x", "w"], ["a"], pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node(kind, ["b", "w"], ["y"], pads=[1] * 4),
    ]
    found = measure_memory(read(nodes, {"w": np.ones((4, 4, 3, 3), np.float32)}, TensorProto.FLOAT, tmp_path))
    assert found.inference.weights == found.training.parameters == found.training.gradients == 4 * 144
    assert found.training.saved == 2 * 4 * 144  # x, and the result of relu, which the second one reads
    assert found.marks == {}


def test_what_training_keeps_of_foreign_operations_is_an_estimate(tmp_path: Path) -> None:
    found = measure_memory(read([helper.make_node("Erf", ["x"], ["y"])], {}, TensorProto.FLOAT, tmp_path))
    assert {key: mark.kind for key, mark in found.marks.items()} == dict.fromkeys(
        ("training_saved_bytes", "training_total_bytes"), "estimate"
    )


def test_mistakes_are_named_for_budgets_too(tmp_path: Path) -> None:
    graph = read([helper.make_node("Relu", ["x"], ["y"])], {}, TensorProto.FLOAT, tmp_path)
    with pytest.raises(ArchspecError, match="precision should be one of fp32, fp16, bf16, found 'int8'"):
        largest_batch(graph, 1 << 20, precision="int8")  # type: ignore[arg-type]
