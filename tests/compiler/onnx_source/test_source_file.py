"""Tensors in nodes are weights where a file has no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from compiler.analysis.cost.cost import measure_cost
from compiler.graph import Graph
from compiler.graph_check import verify
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import (
    floats,
    node,
)
from tests.support.models import build_model, save


def read(nodes: Sequence[onnx.NodeProto], shape: Sequence[int], arrays: Mapping[str, Any], path: Path) -> Graph:
    model = build_model(nodes, {"x": shape}, {"y": None}, arrays)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    return verify(read_graph(save(model, path / "m.onnx")))


def constant(name: str, array: Any) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(array)))


@pytest.mark.parametrize("weights", ["initializers", "nodes"])
def test_tensors_in_nodes_are_constants_unless_all_weights_lie_there(weights: str, tmp_path: Path) -> None:
    """torch writes zeros and ones in nodes, some converters everything."""
    kernel, zeros = floats(6, 4, 3, 3), np.zeros((1, 2, 7, 10), np.float32)
    nodes = [constant("z", zeros), node("Conv", "x w", "c"), node("Concat", "c z", axis=1)]
    stored = {"w": kernel}
    if weights == "nodes":
        nodes, stored = [constant("w", kernel), *nodes], {}
    cost = measure_cost(read(nodes, (1, 4, 9, 12), stored, tmp_path))
    assert cost.parameters == kernel.size + (zeros.size if weights == "nodes" else 0)
    assert cost.buffers == (0 if weights == "nodes" else zeros.size)
