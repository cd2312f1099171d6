"""What nodes are called."""

from __future__ import annotations

from pathlib import Path

from archspec.ops import Conv
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import (
    build_small,
)
from tests.support.models import save


def test_what_a_node_is_called_and_where_it_stands(tmp_path: Path) -> None:
    graph = read_graph(save(build_small(), tmp_path / "m.onnx"))
    conv, norm = graph["conv.Conv"], graph["norm.BatchNormalization"]
    assert (conv.source.place.file, conv.source.place.line) == (str(tmp_path / "m.onnx"), 1)
    assert norm.source.place.line == 2
    assert {*graph.weights_of(norm)} == {"norm.BatchNormalization.running_var"}  # the others are the convolution's bias
    assert graph.name == "m"
    assert isinstance(conv.op, Conv)
