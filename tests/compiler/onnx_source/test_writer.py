"""Which numbers of a file are parameters: the stored tensors that operations were made with, each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from compiler.analysis.compare.diff import diff_graphs
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.memory.memory import measure_memory
from compiler.analysis.report import analyze
from compiler.graph import Graph
from compiler.graph_check import verify
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import count_macs, export_torch, floats, node
from tests.support.models import build_model, save


def read(nodes: Sequence[onnx.NodeProto], shape: Sequence[int], arrays: Mapping[str, Any], path: Path) -> Graph:
    model = build_model(nodes, {"x": shape}, {"y": None}, arrays)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    return verify(read_graph(save(model, path / "m.onnx")))


def constant(name: str, array: Any) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(array)))


def count_stored(path: Path) -> int:
    return sum(prod(item.dims) for item in onnx.load(path).graph.initializer if item.data_type == TensorProto.FLOAT)


@pytest.mark.parametrize(
    ("nodes", "arrays", "parameters"),
    [
        ([node("ConstantOfShape", "s", "m"), node("Add", "x m")], {"s": np.array([64, 49])}, 0),  # a mask
        ([node("Gather", "t i", "b", axis=0), node("Add", "x b")], {"t": floats(13, 49), "i": np.arange(64) % 13}, 637),
        ([node("Mul", "w g", "v"), node("MatMul", "x v")], {"w": floats(49, 5), "g": floats(1, 5)}, 250),  # weight norm
        ([node("Mul", "w n", "v"), node("MatMul", "x v")], {"w": floats(49, 5), "n": np.float32(2)}, 245),
        ([node("Slice", "p a b", "q"), node("Add", "x q")], {"p": floats(70, 49), "a": [0], "b": [64]}, 3430),
        ([node("Cast", "r", "f", to=1), node("Add", "x f")], {"r": np.arange(49)}, 0),  # positions
        ([node("Less", "w n", "c"), node("Where", "c x n")], {"w": floats(64, 49), "n": np.float32(0)}, 0),
        ([node("Split", "w", "a b", axis=1), node("MatMul", "x a", "l"), node("MatMul", "x b", "r"),
          node("Add", "l r")],
         {"w": floats(49, 6)}, 294),
    ],
)  # fmt: skip
def test_what_is_computed_counts_as_what_it_was_computed_from(
    nodes: Sequence[onnx.NodeProto], arrays: Mapping[str, Any], parameters: int, tmp_path: Path
) -> None:
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    graph = read(nodes, (1, 64, 49), arrays, tmp_path)
    assert measure_cost(graph).parameters == parameters
    assert measure_cost(graph).buffers == 0
    assert parameters in (0, 245, count_stored(tmp_path / "m.onnx"))


def test_norms_without_a_scale_have_no_parameters(tmp_path: Path) -> None:
    module = nn.Sequential(
        nn.Conv1d(3, 4, 3), nn.ReLU(), nn.InstanceNorm1d(4), nn.ReLU(), nn.BatchNorm1d(4, affine=False)
    )
    cost = measure_cost(read_graph(export_torch(module, (1, 3, 9), tmp_path / "m.onnx")))
    assert cost.parameters == sum(value.numel() for value in module.parameters())
    assert cost.buffers == 8 + 4 * 4  # the statistics, and the ones and zeros that ONNX's operations ask for


class Shared(nn.Module):
    """One layer, used twice."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layer(torch.relu(self.layer(x)))
        return result


SHARED: list[tuple[nn.Module, tuple[int, ...]]] = [
    (nn.Conv2d(4, 4, 3, padding=1), (1, 4, 8, 8)),
    (nn.Conv2d(4, 4, (3, 1), padding=(1, 0)), (1, 4, 8, 8)),
    (nn.ConvTranspose2d(4, 4, 3, padding=1), (1, 4, 8, 8)),
    (nn.Linear(8, 8), (1, 8)),
    (nn.Linear(8, 8), (1, 5, 8)),
    (nn.BatchNorm2d(4), (1, 4, 8, 8)),
]


@pytest.mark.parametrize(("layer", "shape"), SHARED)
def test_a_shared_layer_counts_once_and_computes_each_time(
    layer: nn.Module, shape: tuple[int, ...], tmp_path: Path
) -> None:
    module = Shared(layer)
    graph = verify(read_graph(export_torch(module, shape, tmp_path / "m.onnx")))
    cost, memory = measure_cost(graph), measure_memory(graph)
    assert cost.parameters == sum(value.numel() for value in module.parameters())
    assert cost.macs["conv-linear"] == count_macs(module, shape)
    assert memory.inference.weights == 4 * (cost.parameters + cost.buffers)
    assert memory.training.saved > 0
    assert diff_graphs(graph, graph).equal


def test_what_a_file_does_not_tell_from_constants_is_counted_by_itself(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "a"), node("Add", "a p")]
    report = analyze(read(nodes, (1, 64, 49), {"w": floats(49, 5), "p": floats(64, 5)}, tmp_path))
    assert report.cost.parameters == 49 * 5 + 64 * 5
    assert report.operands == 64 * 5


def test_types_are_those_of_the_file(tmp_path: Path) -> None:
    """Half precision, with the operations that exporters put around it."""
    nodes = [
        node("Cast", "x", "h", to=TensorProto.FLOAT16),
        node("Conv", "h w", "c"),
        node("Shape", "c", "s"),
        node("Cast", "c", "y", to=TensorProto.FLOAT),
    ]
    graph = read(nodes, (1, 4, 9, 12), {"w": floats(6, 4, 3, 3).astype(np.float16)}, tmp_path)
    assert [item.type for item in graph] == ["float32", "float16"]
    assert analyze(graph).types == {"weights": {"float16": 216}, "values": {"float16": 1}}
    assert analyze(graph).to_dict()["types"] == analyze(graph).types


@pytest.mark.parametrize("kind", ["Add", "Mul"])
def test_numbers_of_few_bits_that_stand_for_others_count(kind: str, tmp_path: Path) -> None:
    """A table of positions, read by a quantized sum."""
    scale: dict[str, Any] = {"s": np.float32(0.1), "z": np.uint8(128)}
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        helper.make_node(f"QLinear{kind}", [*"qszpszsz"], ["a"], domain="com.microsoft"),
        node("DequantizeLinear", "a s z"),
    ]
    model = build_model(nodes, {"x": [1, 64, 49]}, {"y": None}, scale | {"p": np.ones((64, 49), np.uint8)})
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    graph = verify(read_graph(save(model, tmp_path / "m.onnx")))
    assert measure_cost(graph).parameters == 64 * 49
    assert [weight.type for weight in graph.weights.values()] == ["uint8"]
