"""Nodes in another order than that of their reading."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import onnx
from onnx import helper

from compiler.onnx_source.read import read_graph
from tests.support.models import build_model, save


def build_many(count: int) -> onnx.ModelProto:
    names = ["x", *(f"v{i}" for i in range(1, count)), "y"]
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in pairwise(names)]
    return build_model(nodes, {"x": [1, 3]}, {"y": [1, 3]})


def test_a_deep_chain_of_nodes_in_the_wrong_order_is_read(tmp_path: Path) -> None:
    model = build_many(5000)
    nodes = list(model.graph.node)
    model.graph.ClearField("node")
    model.graph.node.extend(reversed(nodes))
    assert len(read_graph(save(model, tmp_path / "m.onnx"))) == 5001
