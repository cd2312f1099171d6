"""What depends on no input is no part of the graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto

from tests.support.foreign_models import (
    node,
    read_nodes,
)


def test_shape_arithmetic_is_no_part_of_the_graph(tmp_path: Path) -> None:
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s i", "n", axis=0),
        node("Cast", "n", "m", to=TensorProto.INT64),
        node("Unsqueeze", "m zero", "u"),
        node("Concat", "u minus", "t", axis=0),
        node("Reshape", "x t"),
    ]
    arrays = {"i": np.array(0), "zero": np.array([0]), "minus": np.array([-1])}
    graph = read_nodes(nodes, ("n", 4, 9, 12), arrays, tmp_path)
    assert [item.op.kind for item in graph] == ["input", "flatten"]
