"""Matrix products and normalizations."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import pytest

from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.unknown import find_unknown
from compiler.graph_check import verify
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import (
    Arrays,
    Node,
    build_nodes,
    check_node,
    floats,
    node,
    read_nodes,
)
from tests.support.models import save

NODES: list[tuple[Node, Arrays, str]] = [
    (node("InstanceNormalization", "x s s"), {"s": floats(4)}, "instance_norm"),
    (node("BatchNormalization", "x s s s s"), {"s": floats(4)}, "batch_norm"),
    (node("LayerNormalization", "x s s", axis=-1), {"s": floats(12)}, "normalize_along"),
    (node("LRN", "x", size=3), {}, "local_response_norm"),
    (node("MatMul", "x w"), {"w": floats(12, 5)}, "rows"),
    (node("MatMul", "w x"), {"w": floats(5, 9)}, "product"),
    (node("Einsum", "x w", equation="nchw,cd->ndhw"), {"w": floats(4, 5)}, "product"),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "arrays", "kind"), NODES)
def test_one_node(operation: Node, arrays: Arrays, kind: str, tmp_path: Path) -> None:
    check_node(operation, arrays, kind, tmp_path)


TRAINING = [
    (node("BatchNormalization", "r scale shift shift scale", "y a b", training_mode=1), True),
    (node("BatchNormalization", "r scale shift shift scale"), False),
    (node("Dropout", "r half yes"), True),
    (node("Dropout", "r half no"), False),
]


@pytest.mark.parametrize(("operation", "trains"), TRAINING)
def test_what_is_in_training_mode_is_unknown(operation: Node, trains: bool, tmp_path: Path) -> None:
    arrays = {"scale": np.ones(3, np.float32), "shift": np.zeros(3, np.float32)}
    arrays |= {"half": np.array(0.5, np.float32), "yes": np.array(True), "no": np.array(False)}
    graph = read_nodes([node("Relu", "x", "r"), operation], [1, 3, 4, 4], arrays, tmp_path)
    assert bool(find_unknown(graph)) == trains


GEMM = {"w": floats(12, 5)}


@pytest.mark.parametrize("bias", [(1,), (), (4, 1), (1, 5), (4, 5)])
def test_a_layer_knows_any_bias(bias: tuple[int, ...], tmp_path: Path) -> None:
    """Of one of four rows, for which all are stored."""
    model = build_nodes([node("Gemm", "x w b")], (4, 12), GEMM | {"b": floats(*bias)})
    graph = verify(read_graph(save(model, tmp_path / "m.onnx")))
    cost = measure_cost(graph)
    assert graph[graph.outputs["y"]].shape == (5,)
    assert cost.parameters == 60 + prod(bias)
    assert cost.macs["conv-linear"] == 60


def test_a_bias_may_be_computed(tmp_path: Path) -> None:
    nodes = [node("ReduceMax", "x a", "m", keepdims=1), node("Gemm", "x w m")]
    graph = read_nodes(nodes, ("n", 12), GEMM | {"a": [1]}, tmp_path, opset=18)
    assert [item.op.word for item in graph] == ["input", "reduce", "linear", "add"]
    assert find_unknown(graph) == {}
