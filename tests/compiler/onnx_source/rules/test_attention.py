"""Attention in one node is the language's where its operands are rows of tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

from archspec.errors import ModelError
from archspec.ops import Attention, Shape
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.unknown import find_unknown
from compiler.graph import Graph
from compiler.onnx_source.ops.sequences import FusedAttention
from compiler.onnx_source.read import read_graph
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions
from compiler.onnx_target.write import write_model
from tests.support.rewriting import stirred
from tests.support.transformers import build_vit


def write(graph: Graph, path: Path) -> onnx.ModelProto:
    write_model(build_model(graph, stirred(graph), options=ExportOptions(target="cpu")), path)
    return onnx.load(path)


@pytest.mark.parametrize("fields", [{}, {"causal": True}, {"scale": 0.3}], ids=str)
def test_a_file_for_cpus_is_read_as_its_graph(fields: dict[str, Any], tmp_path: Path) -> None:
    graph = build_vit(**fields)
    write(graph, tmp_path / "vit.onnx")
    found = read_graph(tmp_path / "vit.onnx")
    assert [(node.id, node.op.kind, node.shape) for node in found] == [
        (node.id, node.op.kind, node.shape) for node in graph
    ]
    op = found["block0.attention"].op
    assert isinstance(op, Attention)
    assert (op.heads, op.causal) == (4, fields.get("causal", False))
    assert op.scale == pytest.approx(fields.get("scale"))
    assert measure_cost(found).macs == measure_cost(graph).macs


def test_a_term_of_the_scores_stays_in_the_file(tmp_path: Path) -> None:
    graph = build_vit(bias="relative")
    write(graph, tmp_path / "vit.onnx")
    found = read_graph(tmp_path / "vit.onnx")
    op = found["block0.attention"].op
    assert isinstance(op, FusedAttention)
    assert op.masked
    assert find_unknown(found) == {}
    x = Shape(32, 17)
    assert op.products(x, x, x) == Attention(heads=4).products(x, x, x)


def test_onnx_own_attention_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "own.onnx"
    model = write(build_vit(layers=1), path)
    (node,) = (node for node in model.graph.node if node.domain)
    own = onnx.helper.make_node("Attention", node.input, node.output, node.name, q_num_heads=4, kv_num_heads=4)
    node.CopyFrom(own)
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", 23))
    onnx.save(model, path)
    assert isinstance(read_graph(path)["block0.attention"].op, Attention)


def test_heads_that_do_not_fit_are_a_mistake_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "wrong.onnx"
    model = write(build_vit(layers=1), path)
    (node,) = (node for node in model.graph.node if node.domain)
    next(item for item in node.attribute if item.name == "num_heads").i = 5
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"block0\.attention \(MultiHeadAttention\): 5 heads do not divide 32"):
        read_graph(path)
