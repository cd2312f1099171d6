"""Normalizations without a mean: what nodes they become."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from archspec.api import to_onnx, to_torch
from archspec.ops import L2Norm, Op, RmsNorm, Shape
from tests.support.lowering import graph_of


@pytest.mark.parametrize(
    ("op", "kinds"),
    [
        (RmsNorm(affine=False), ["Mul", "ReduceMean", "Add", "Sqrt", "Div"]),
        (L2Norm(), ["ReduceL2", "Clip", "Div"]),
    ],
    ids=str,
)
def test_nodes(op: Op, kinds: list[str], tmp_path: Path) -> None:
    graph, path = graph_of(op, Shape(8, 5)), tmp_path / "op.onnx"
    to_onnx(graph, to_torch(graph).state_dict(), path)
    assert [node.op_type for node in onnx.load(path).graph.node] == kinds
