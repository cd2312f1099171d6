"""Operations on numbers of few bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime.quantization as quantization
import pytest

from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.paths.counting import count_paths
from compiler.analysis.report import analyze
from compiler.analysis.unknown import find_unknown
from compiler.graph import Graph
from compiler.graph_check import verify
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import floats, node, read_nodes
from tests.support.models import build_model, save

MAP = (1, 4, 9, 12)


KERNEL = {"w": floats(6, 4, 3, 3), "b": floats(6)}


def quantize(path: Path, form: quantization.QuantFormat) -> Graph:
    """A small network in eight bits, as ONNX Runtime's own tool writes it."""

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = [{"x": floats(1, 4, 9, 12) - 0.5}]

        def get_next(self) -> dict[str, Any] | None:
            return self.left.pop() if self.left else None

    nodes = [
        node("Conv", "x w b", "c", pads=[1] * 4),
        node("Relu", "c", "r"),
        node("Conv", "r v", "d", pads=[1] * 4),
        node("Add", "d r", "s"),
        node("GlobalAveragePool", "s", "p"),
        node("Flatten", "p", "f"),
        node("Gemm", "f g h", "y", transB=1),
    ]
    arrays = {**KERNEL, "v": floats(6, 6, 3, 3), "g": floats(5, 6), "h": floats(5)}
    arrays = {name: array - 0.5 for name, array in arrays.items()}  # so that there are numbers of both signs
    save(build_model(nodes, {"x": MAP}, {"y": [1, 5]}, arrays), path / "float.onnx")
    quantization.quantize_static(path / "float.onnx", path / "int8.onnx", Reader(), quant_format=form)
    return verify(read_graph(path / "int8.onnx"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", [quantization.QuantFormat.QDQ, quantization.QuantFormat.QOperator])
def test_a_quantized_network_counts_as_the_one_it_came_from(form: quantization.QuantFormat, tmp_path: Path) -> None:
    found = quantize(tmp_path, form)
    expected = read_graph(tmp_path / "float.onnx")
    for graph in (found, expected):
        cost, paths = measure_cost(graph), count_paths(graph)
        assert (cost.parameters, cost.macs["conv-linear"]) == (6 * 36 + 6 + 6 * 54 + 35, 108 * (6 * 36 + 6 * 54) + 30)
        assert paths.block.by_length == {0: 1, 1: 1}
        assert find_unknown(graph) == {}
    assert [item.op.kind for item in found] == [item.op.kind for item in expected]  # the ReLU that was left out as well
    assert cost.activations == measure_cost(found).activations
    assert {weight.type for weight in found.weights.values()} == {"int8", "int32"}
    assert "uint8" in analyze(found).types["values"] or "int8" in analyze(found).types["values"]


@pytest.mark.parametrize(
    ("zero", "scale", "kinds"),
    [
        (np.uint8(0), 0.1, ["conv", "relu", "conv"]),
        (np.int8(-128), 0.1, ["conv", "relu", "conv"]),
        (np.uint8(0), 6 / 255, ["conv", "relu6", "conv"]),
        (np.uint8(128), 0.1, ["conv", "conv"]),
        (np.int8(0), 0.1, ["conv", "conv"]),
    ],
)
def test_a_zero_that_is_the_lowest_number_cuts_off_what_is_below(
    zero: Any, scale: float, kinds: list[str], tmp_path: Path
) -> None:
    nodes = [
        node("Conv", "x w", "c"),
        node("QuantizeLinear", "c s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        node("Conv", "d v"),
    ]
    arrays = {"w": floats(6, 4, 3, 3), "v": floats(2, 6, 1, 1), "s": np.float32(scale), "z": zero}
    graph = read_nodes(nodes, (1, 4, 9, 12), arrays, tmp_path, opset=18)
    assert [item.op.kind for item in graph] == ["input", *kinds]
    held = {item.type for item in graph if item.inputs}
    assert held == {zero.dtype.name, "float32"}


@pytest.mark.parametrize("before", ["Relu", "Sigmoid", "Abs", "MaxPool"])
def test_what_is_never_negative_is_not_cut_off(before: str, tmp_path: Path) -> None:
    more = {"kernel_shape": [2, 2]} if before == "MaxPool" else {}
    first = [node("Relu", "x", "p")] if before == "MaxPool" else [node("Identity", "x", "p")]
    nodes = [
        *first,
        node(before, "p", "r", **more),
        node("QuantizeLinear", "r s", "q"),
        node("DequantizeLinear", "q s"),
    ]
    graph = read_nodes(nodes, (1, 4, 9, 12), {"s": np.float32(0.1)}, tmp_path, opset=18)
    assert sum(item.op.kind == "relu" for item in graph) == (before in ("Relu", "MaxPool"))
