"""The domain of ONNX, written out or left out."""

from __future__ import annotations

from pathlib import Path

from onnx import TensorProto, helper

from compiler.analysis.compare.diff import diff_graphs
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import (
    build_nodes,
    node,
)
from tests.support.models import save


def test_the_domain_of_onnx_may_be_written_out(tmp_path: Path) -> None:
    """What is usual, and the types of results, are found in either case; another domain has neither."""
    model = build_nodes([node("Selu", "x", "s", alpha=1.6732631921768188), node("Greater", "s x")], (1, 4), {})
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.BOOL, (1, 4)))
    model.graph.value_info.append(helper.make_tensor_value_info("s", TensorProto.FLOAT, (1, 4)))
    graphs = []
    for domain in ("", "ai.onnx", "com.example"):
        for item in model.graph.node:
            item.domain = domain
        if domain:
            model.opset_import.append(helper.make_opsetid(domain, 17))
        graphs.append(read_graph(save(model, tmp_path / "m.onnx")))
    assert diff_graphs(graphs[0], graphs[1]).equal
    assert [graph.nodes["y"].type for graph in graphs] == ["bool", "bool", "float32"]
    assert not diff_graphs(graphs[0], graphs[2]).equal
