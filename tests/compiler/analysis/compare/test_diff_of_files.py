"""Differences of ONNX files: what their operations carry, types of numbers, names by other exporters."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from archspec.api import elaborate, load, to_onnx, to_torch
from compiler.analysis.compare.diff import Diff, diff_graphs
from compiler.graph import Graph
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import export_torch
from tests.support.models import build_model


def read(folder: Path, name: str, model: onnx.ModelProto) -> Graph:
    onnx.save(model, folder / f"{name}.onnx")
    return read_graph(folder / f"{name}.onnx")


def compare(folder: Path, first: onnx.ModelProto, second: onnx.ModelProto) -> Diff:
    return diff_graphs(read(folder, "a", first), read(folder, "b", second))


class Net(nn.Module):
    """A residual block, a split, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.body, self.head = nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.stem(x)).relu()
        x = x + self.body(x).relu()
        a, b = x.chunk(2, 1)
        return torch.as_tensor(self.head(torch.cat([a * b, a + b], 1).mean((2, 3))))


def test_two_exporters_give_the_same_network(tmp_path: Path) -> None:
    """They call nodes, inputs and outputs otherwise, and fold the normalization into the one or the other scope."""
    files = [export_torch(Net(), (1, 3, 8, 8), tmp_path / f"{dynamo}.onnx", dynamo=dynamo) for dynamo in (False, True)]
    first, second = map(read_graph, files)
    found = diff_graphs(first, second)
    assert found.same_structure
    assert not found.equal
    assert found.output_names
    assert all(figure.a == figure.b for figure in found.figures)


def build_one(kind: str, attributes: dict[str, Any], *more: str, domain: str = "", **arrays: Any) -> onnx.ModelProto:
    node = helper.make_node(kind, ["x", *more, *arrays], ["y"], name="one", domain=domain, **attributes)
    weights = {name: np.asarray(array) for name, array in arrays.items()}
    model = build_model([node], {"x": [1, 4, 8, 8]}, {"y": [1, 4, 8, 8]}, weights)
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (build_one("HardSigmoid", {"alpha": 0.2}), build_one("HardSigmoid", {"alpha": 0.3})),
        (build_one("ThresholdedRelu", {"alpha": 1.0}), build_one("ThresholdedRelu", {"alpha": 2.0})),
        (build_one("Selu", {"gamma": 1.05}), build_one("Selu", {"gamma": 1.5})),
        (build_one("LRN", {"size": 3, "beta": 0.75}), build_one("LRN", {"size": 3, "beta": 0.5})),
        (build_one("CumSum", {"reverse": 0}, axis=1), build_one("CumSum", {"reverse": 1}, axis=1)),
        (build_one("Foo", {"mode": "a"}, domain="com.acme"), build_one("Foo", {"mode": "b"}, domain="com.acme")),
        (build_one("Foo", {}, domain="com.acme"), build_one("Bar", {}, domain="com.acme")),
        (build_one("LeakyRelu", {"alpha": 0.1}), build_one("LeakyRelu", {"alpha": 0.2})),
    ],
)
def test_what_an_operation_carries_is_compared(first: onnx.ModelProto, second: onnx.ModelProto, tmp_path: Path) -> None:
    assert compare(tmp_path, first, first).equal
    found = compare(tmp_path, first, second)
    assert not found.equal
    assert [change.kind for change in found.changes] != ["same"] * len(found.changes)


def test_types_of_numbers_are_compared(tmp_path: Path) -> None:
    models = []
    for kind, type in ((TensorProto.FLOAT, np.float32), (TensorProto.FLOAT16, np.float16)):
        node = helper.make_node("Conv", ["x", "k"], ["y"], name="conv", pads=[1, 1, 1, 1])
        kernel = {"k": np.ones((4, 4, 3, 3), type)}
        models.append(build_model([node], {"x": [1, 4, 8, 8]}, {"y": [1, 4, 8, 8]}, kernel, kind=kind))
    found = compare(tmp_path, *models)
    assert not found.equal
    conv = next(change for change in found.changes if change.b and change.b.name == "conv")
    assert conv.fields["type"] == ("float32", "float16")
    assert conv.fields["stored"] == ((("weight", "float32"),), (("weight", "float16"),))


def test_fields_of_a_written_model_are_those_of_its_spec(tmp_path: Path) -> None:
    """ONNX stores them in single precision, in which 0.1 is another number than in a spec."""
    text = """
        archspec: 1
        inputs: {x: [4, 8, 8]}
        network: [conv: 4, leaky_relu: 0.1, conv: 4, group_norm: {groups: 2, eps: 1.0e-3}, elu: %s, conv: 4]
    """
    graphs = []
    for alpha in ("0.7", "0.7000001"):
        (tmp_path / "net.yaml").write_text(dedent(text % alpha))
        graphs.append(elaborate(load(str(tmp_path / "net.yaml"))))
    to_onnx(graphs[0], to_torch(graphs[0]).state_dict(), tmp_path / "net.onnx", verify=False)
    written = read_graph(tmp_path / "net.onnx")
    assert diff_graphs(graphs[0], written).equal
    assert not diff_graphs(graphs[1], written).equal
