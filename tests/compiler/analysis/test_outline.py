"""The tree behind `show` and `diff` of files whose nodes are called as scopes are; the totals are counted by torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from torch import nn

from archspec.api import elaborate, load
from compiler.analysis.compare.diff import diff_graphs
from compiler.analysis.outline import fold_tree
from compiler.graph import Graph
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import count_macs, export_torch
from tests.support.models import build_model


def read(model: onnx.ModelProto, folder: Path, name: str = "model") -> Graph:
    onnx.save(model, folder / f"{name}.onnx")
    return read_graph(folder / f"{name}.onnx")


def build_block(kernel: int) -> onnx.ModelProto:
    """Scope `block` stands before the node `block`."""
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], name="/block/conv", pads=[kernel // 2] * 4),
        helper.make_node("LeakyRelu", ["c"], ["a"], name="/block/act"),
        helper.make_node("Relu", ["a"], ["r"], name="/block"),
        helper.make_node("Conv", ["r", "h"], ["y"], name="/head"),
    ]
    arrays = {"k": np.ones((8, 4, kernel, kernel), np.float32), "h": np.ones((8, 8, 1, 1), np.float32)}
    return build_model(nodes, {"x": [1, 4, 8, 8]}, {"y": [1, 8, 8, 8]}, arrays)


def test_a_node_that_is_called_as_a_scope_does_not_replace_it(tmp_path: Path) -> None:
    graph = read(build_block(3), tmp_path)
    tree = fold_tree(graph)
    assert (tree.parameters, tree.macs) == (8 * 4 * 9 + 64, 64 * (8 * 4 * 9 + 64))
    assert [(child.name, bool(child.children)) for child in tree.children] == [
        ("x", False),
        ("block", True),
        ("block", False),
        ("head", False),
    ]


def test_another_kernel_in_such_a_scope_is_a_difference(tmp_path: Path) -> None:
    first, second = (read(build_block(kernel), tmp_path, f"k{kernel}") for kernel in (3, 5))
    found = diff_graphs(first, second)
    assert not found.equal
    assert next(figure.difference for figure in found.figures if figure.key == "parameters.trainable") == 8 * 4 * 16
    assert diff_graphs(first, first).equal


class Halves(nn.Module):
    """A split: one node of the file, two of the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = torch.split(self.conv(x), [2, 2], 1)
        return a * b


class Pooled(nn.Module):
    """The mean over all positions without their axes, then a linear layer: a usual head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.linear(self.conv(x).mean((2, 3))))


@pytest.mark.parametrize("kind", [Halves, Pooled])
def test_nodes_that_become_several(kind: type[nn.Module], tmp_path: Path) -> None:
    module, shape = kind(), (1, 3, 8, 8)
    graph = read_graph(export_torch(module, shape, tmp_path / "model.onnx"))
    tree = fold_tree(graph)
    assert any(other.startswith(f"{id}.") for id in graph.nodes for other in graph.nodes)
    assert tree.parameters == sum(parameter.numel() for parameter in module.parameters())
    assert tree.macs == count_macs(module, shape)
    assert diff_graphs(graph, graph).equal


def test_transpositions_that_are_written_out(tmp_path: Path) -> None:
    """The transposition of a value is called after it, where an operation wants it so."""
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], name="act"),
        helper.make_node("Transpose", ["r"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("CumSum", ["t", "axis"], ["y"], name="sum"),
    ]
    arrays = {"axis": np.array(1)}
    graph = read(build_model(nodes, {"x": [1, 3, 4, 5]}, {"y": [1, 4, 5, 3]}, arrays), tmp_path)
    assert {"act", "act.transpose"} <= graph.nodes.keys()
    assert fold_tree(graph).layers == len(graph)


def test_a_scope_is_folded_alone() -> None:
    graph = elaborate(load("resnet18"))
    block = fold_tree(graph, "repeat_0.i1.repeat_0.i0.basic_block_0")
    assert [child.name for child in block.children] == ["residual_0", "relu_0"]
    assert block.shape == (128, 28, 28)
