"""Attention in pieces is read as the language's, where the pieces are exactly those."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

from archspec.ops import Attention
from compiler.analysis.cost.cost import measure_cost
from compiler.onnx_source.read import read_graph
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions, Target
from compiler.onnx_target.write import write_model
from tests.support.documents import graph_from
from tests.support.rewriting import stirred
from tests.support.transformers import build_vit


def write(path: Path, **fields: Any) -> onnx.ModelProto:
    graph = build_vit(**fields)
    write_model(build_model(graph, stirred(graph)), path)
    return onnx.load(path)


def attentions(path: Path) -> list[Attention]:
    return [node.op for node in read_graph(path) if isinstance(node.op, Attention)]


@pytest.mark.parametrize("fields", [{}, {"heads": 8}], ids=str)
def test_a_transformer_is_read_back_as_its_graph(fields: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "vit.onnx"
    write(path, **fields)
    graph, found = build_vit(**fields), read_graph(path)
    assert [(node.id, node.op.kind, node.shape) for node in found] == [
        (node.id, node.op.kind, node.shape) for node in graph
    ]
    assert [op.chosen for op in attentions(path)] == [graph["block0.attention"].op.chosen] * 2
    assert measure_cost(found).macs == measure_cost(graph).macs


def test_another_scale_is_its_own(tmp_path: Path) -> None:
    path = tmp_path / "vit.onnx"
    model = write(path)
    for tensor in model.graph.initializer:
        if tensor.name.endswith("attention.root"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) / 4, tensor.name))
    onnx.save(model, path)
    assert [op.scale for op in attentions(path)] == pytest.approx([2 / 2**0.5] * 2)


def test_what_others_read_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "vit.onnx"
    model = write(path)
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    shape: list[str | int | None] = ["batch", 4, 17, 17]
    model.graph.output.append(onnx.helper.make_tensor_value_info(softmax.output[0], onnx.TensorProto.FLOAT, shape))
    onnx.save(model, path)
    found = read_graph(path)
    assert len(attentions(path)) == 2
    assert [node.op.kind for node in found].count("softmax_along") == 1


@pytest.mark.parametrize("fields", [{"bias": "relative"}, {"causal": True}], ids=str)
def test_terms_of_the_scores_stay_in_pieces(fields: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "vit.onnx"
    write(path, **fields)
    assert not attentions(path)


def test_another_axis_of_the_softmax_is_none(tmp_path: Path) -> None:
    path = tmp_path / "vit.onnx"
    model = write(path)
    for node in model.graph.node:
        if node.op_type == "Softmax":
            node.attribute[0].i = -2
    onnx.save(model, path)
    assert not attentions(path)


@pytest.mark.parametrize("target", ["any", "cpu"])
def test_class_tokens_and_positions_keep_rows_as_they_are(target: Target, tmp_path: Path) -> None:
    """Numbers are stored in the order of the file, and are those of the graph's axes all the same."""
    attend = {name: [{"conv": {"out": 16, "kernel": 1}}] for name in ("query", "key", "value")}
    norm = {"layer_norm": {"over": "channels"}}
    document: dict[str, Any] = {
        "archspec": 1,
        "inputs": {"image": [3, 12, 8]},
        "network": [
            {"conv": {"out": 16, "kernel": 4, "stride": 4, "padding": 0}},
            "tokens",
            {"concat": {"axis": 1, "branches": [[{"learned": [16, 1]}], []]}},
            {"shift": {"trainable": True, "per": "position"}},
            {"residual": {"body": [norm, {"attend": {"heads": 2, **attend}}, {"conv": {"out": 16, "kernel": 1}}]}},
            norm,
            {"slice": {"axis": 1, "stop": 1}},
            "flatten",
            {"linear": 5},
        ],
    }
    graph = graph_from(document)
    write_model(build_model(graph, stirred(graph), options=ExportOptions(target=target)), tmp_path / "vit.onnx")
    found = read_graph(tmp_path / "vit.onnx")
    assert sorted((node.op.kind, node.shape) for node in found) == sorted((node.op.kind, node.shape) for node in graph)
    assert measure_cost(found).parameters == measure_cost(graph).parameters
