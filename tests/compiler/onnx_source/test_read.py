"""What is read of a file as a whole: its inputs, and what nobody knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from archspec.errors import ArchspecError
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.field.receptive_field import measure_receptive_field
from compiler.analysis.paths.counting import count_paths
from compiler.analysis.unknown import find_unknown
from compiler.graph_check import verify
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import (
    build_nodes,
    floats,
    node,
    read_nodes,
)
from tests.support.models import build_model, save

KERNEL = {"w": floats(6, 4, 3, 3), "b": floats(6)}


def test_an_input_with_the_channels_last_is_read_with_them_first(tmp_path: Path) -> None:
    """As converters from TensorFlow write it: a transposition after the input, and one before the output."""
    nodes = [
        node("Transpose", "x", "a", perm=[0, 3, 1, 2]),
        node("Conv", "a w b", "c", pads=[1] * 4),
        node("Add", "c s", "d"),
        node("Transpose", "d", "e", perm=[0, 2, 3, 1]),
        node("MatMul", "e m", "f"),
        node("ReduceMean", "f", "y", axes=[1, 2], keepdims=0),
    ]
    graph = read_nodes(nodes, (1, 9, 12, 4), KERNEL | {"s": floats(1, 6, 1, 1), "m": floats(6, 5)}, tmp_path)
    assert [(item.op.kind, item.shape) for item in graph] == [
        *(("input", (4, 9, 12)), ("conv", (6, 9, 12)), ("shift", (6, 9, 12)), ("conv", (5, 9, 12))),
        *(("global_avg_pool", (5, 1, 1)), ("flatten", (5,))),
    ]
    assert measure_receptive_field(graph).to_dict()["size"] == [3, 3]


def test_unknown_operations_are_named_and_counted(tmp_path: Path) -> None:
    nodes = [
        node("Bar", "x", "a b", domain="com.foo"),
        node("Bar", "a", "c", domain="com.foo"),
        node("Add", "b c", "h"),
        node("Relu", "h"),
    ]
    model = build_model(nodes, {"x": [1, 3, 8, 8]}, {"y": [1, 3, 8, 8]})
    model.opset_import.append(helper.make_opsetid("com.foo", 1))
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in "abc"]
    model.graph.value_info.extend(shapes)
    graph = verify(read_graph(save(model, tmp_path / "m.onnx")))
    assert find_unknown(graph) == {"com.foo:Bar": 2}
    assert measure_cost(graph).macs["conv-linear"] == 0
    assert count_paths(graph).op.total == 2
    assert measure_receptive_field(graph).to_dict().get("size") in (None, [1, 1])


@pytest.mark.filterwarnings("ignore")
def test_files_that_onnx_runtime_optimized(tmp_path: Path) -> None:
    """Fused operations are what they were made of; channels in blocks are for one processor."""
    nodes = [
        node("Conv", "x w b", "c", pads=[1] * 4),
        node("Relu", "c", "r"),
        node("Conv", "r w b", "d"),
        node("Clip", "d l h"),
    ]
    arrays = {"w": floats(16, 16, 3, 3), "b": floats(16), "l": np.float32(0), "h": np.float32(6)}
    path = save(build_nodes(nodes, (1, 16, 9, 12), arrays, opset=17), tmp_path / "m.onnx")
    plain = measure_cost(read_graph(path))
    for level in ("EXTENDED", "ALL"):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
        options.optimized_model_filepath = str(tmp_path / f"{level}.onnx")
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    fused = read_graph(tmp_path / "EXTENDED.onnx")
    assert any(item.domain == "com.microsoft" for item in onnx.load(tmp_path / "EXTENDED.onnx").graph.node)
    assert [item.op.kind for item in fused] == ["input", "conv", "relu", "conv", "relu6"]
    assert measure_cost(fused).macs == plain.macs
    if any(item.domain.endswith("nchwc") for item in onnx.load(tmp_path / "ALL.onnx").graph.node):  # by its processor
        with pytest.raises(ArchspecError, match="was optimized by ONNX Runtime for one processor"):
            read_graph(tmp_path / "ALL.onnx")
