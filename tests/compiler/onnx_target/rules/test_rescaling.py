"""Normalizations without a mean: what nodes they become."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from archspec.api import to_onnx, to_torch
from archspec.ops import L2Norm, Op, RmsNorm, Shape
from compiler.onnx_target.options import ExportOptions
from tests.support.lowering import graph_of, run_onnx


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


def test_the_least_length_in_half_precision_is_a_number_and_zeros_stay_zeros(tmp_path: Path) -> None:
    graph, path = graph_of(L2Norm(), Shape(8, 5)), tmp_path / "op.onnx"
    to_onnx(graph, {}, path, options=ExportOptions(precision="fp16"))
    (least,) = onnx.load(path).graph.initializer
    assert numpy_helper.to_array(least) == np.finfo(np.float16).smallest_subnormal
    assert not run_onnx(path, {"x0": np.zeros((1, 8, 5), np.float16)})["y"].any()
