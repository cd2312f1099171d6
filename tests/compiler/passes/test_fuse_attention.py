"""Attention by one kernel of ONNX Runtime equals torch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archspec.api import to_torch
from archspec.ops import Attention, Conv, Shape
from compiler.graph import Graph
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions
from compiler.onnx_target.write import to_bytes
from compiler.passes.fuse_attention import AttentionKernel, FuseAttention
from tests.support.lowering import TOLERANCE, difference, run_onnx, run_torch, sample_inputs, stir
from tests.support.rewriting import stirred
from tests.support.transformers import TransformerBuilder, build_swin, build_vit

CASES: list[tuple[dict[str, Any], tuple[int, ...]]] = [
    ({}, (32, 17)),
    ({"scale": 0.3}, (32, 5, 4)),
    ({"causal": True}, (32, 17)),
    ({"bias": "relative"}, (32, 5, 4)),
    ({"bias": "continuous", "causal": True}, (32, 3, 2, 4)),
]


def build(attention: dict[str, Any], shape: tuple[int, ...]) -> Graph:
    builder = TransformerBuilder(*shape)
    return builder.finish(builder.add_block("x", "block", 4, **attention))


def compare(graph: Graph, change: str = "") -> tuple[float, list[str]]:
    """How far the file for CPUs is from torch, and its nodes of ONNX Runtime's own."""
    module = stir(to_torch(graph))
    weights = {name: tensor.numpy().copy() for name, tensor in module.state_dict().items()}
    if change:
        weights[change][0] += 1
    model = build_model(graph, weights, options=ExportOptions(target="cpu"))
    inputs = sample_inputs(graph, 3)
    own = [node.op_type for node in model.head.graph.node if node.domain]
    return difference(run_torch(graph, module, inputs), run_onnx(to_bytes(model), inputs)), own


@pytest.mark.parametrize(("attention", "shape"), CASES, ids=str)
def test_equals_torch(attention: dict[str, Any], shape: tuple[int, ...]) -> None:
    found, own = compare(build(attention, shape))
    assert found < TOLERANCE
    assert own == ["MultiHeadAttention"]


def test_control_another_bias_shows() -> None:
    graph = build({"bias": "relative"}, (32, 5, 4))
    assert compare(graph, "block.attention.table")[0] > 10 * TOLERANCE


def test_queries_of_other_positions_and_values_of_other_channels() -> None:
    builder = TransformerBuilder(32, 6, 4)
    normal = builder.add("normal", build_vit()["norm"].op, "x")
    query = builder.add("query", Conv(out=16, kernel=1), normal)
    few = builder.add("few", build_vit()["x"].op.model_copy(update={"dims": (24, 7)}))
    few = builder.add("few_norm", build_vit()["norm"].op, few)
    key, value = (builder.add(name, Conv(out=out, kernel=1), few) for name, out in (("key", 16), ("value", 32)))
    graph = builder.finish(builder.add("attention", Attention(heads=2), query, key, value))
    assert graph["attention"].shape == Shape(32, 6, 4)
    found, own = compare(graph)
    assert found < TOLERANCE
    assert own == ["MultiHeadAttention"]


def test_windows_and_cosines_stay_products() -> None:
    for graph in (build_swin(), build_vit(similarity="cosine")):
        weights = stirred(graph)
        assert FuseAttention()(graph, weights) == (graph, weights)
        found, own = compare(graph)
        assert found < TOLERANCE
        assert not own


def test_other_targets_have_no_nodes_of_one_runtime() -> None:
    graph = build_vit()
    assert any(isinstance(node.op, AttentionKernel) for node in FuseAttention()(graph, stirred(graph))[0])
    model = build_model(graph, {name: np.ones(weight.shape, np.float32) for name, weight in graph.weights.items()})
    assert {item.domain for item in model.head.opset_import} == {""}
    assert not any(node.domain for node in model.head.graph.node)


def test_in_planes_it_is_products() -> None:
    builder = TransformerBuilder(32, 6, 4)
    projected = [builder.add(name, Conv(out=32, kernel=1), "x") for name in ("q", "k", "v")]
    attended = builder.add("attention", Attention(heads=2), *projected)
    builder.add("out", Conv(out=32, kernel=3), attended)
    found, own = compare(Graph("plain", builder.nodes, {"y": "out"}))
    assert found < TOLERANCE
    assert not own
