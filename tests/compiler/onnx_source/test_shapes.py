"""Shapes that no rule says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.report import analyze
from compiler.analysis.unknown import find_unknown
from compiler.graph_check import verify
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import (
    build_nodes,
    floats,
    node,
    read_nodes,
)
from tests.support.models import save

MAP = (1, 4, 9, 12)


def test_shapes_behind_unknown_operations_may_be_inferred_by_onnx(tmp_path: Path) -> None:
    """Of one node, from what the reader has computed of its operands: arithmetic on shapes included."""
    nodes = [
        node("Shape", "x", "s"),
        node("Slice", "s a b", "k"),
        node("Col2Im", "f i k", "c"),
        node("Reshape", "x t", "f"),
        node("Relu", "c"),
    ]
    arrays = {"a": np.array([2]), "b": np.array([4]), "i": np.array([1, 1]), "t": np.array([1, 4, 108])}
    nodes[2].input[:] = ["f", "k", "i"]
    graph = read_nodes([nodes[0], nodes[1], nodes[3], nodes[2], nodes[4]], MAP, arrays, tmp_path, opset=18)
    assert find_unknown(graph) == {"Col2Im": 1}
    assert graph[graph.outputs["y"]].shape == (4, 9, 12)


def test_what_no_shape_is_said_of_is_left_out_and_counted(tmp_path: Path) -> None:
    """As the boxes behind a detector: how many there are depends on the numbers."""
    nodes = [
        node("Conv", "x w", "c"),
        node("Relu", "c", "r"),
        node("NonZero", "r", "z"),
        node("Transpose", "z", "y"),
    ]
    graph = verify(read_graph(save(build_nodes(nodes, (1, 4, 9, 12), {"w": floats(6, 4, 3, 3)}), tmp_path / "m.onnx")))
    assert [item.op.kind for item in graph] == ["input", "conv", "relu"]
    assert find_unknown(graph) == {"NonZero": 1, "Transpose": 1}
    assert dict(graph.outputs) == {"r": "r"}
    assert "nothing says the shape of what node z (NonZero) gives" in graph.notes[0]
    assert analyze(graph).to_dict()["notes"] == list(graph.notes)
    assert measure_cost(graph).macs["conv-linear"] == 70 * 6 * 36
