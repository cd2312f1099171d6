"""Normalizations without a mean: what nodes they become."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from archspec.api import to_onnx, to_torch
from archspec.ops import L2Norm, Op, RmsNorm, Shape
from compiler.onnx_target.options import ExportOptions
from tests.support.lowering import difference, graph_of, run_onnx, run_torch
from tests.support.rounding import round_file


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


@pytest.mark.parametrize("op", [L2Norm(), RmsNorm(affine=False)], ids=str)
def test_half_precision_squares_no_number(op: Op, tmp_path: Path) -> None:
    """The square of 300 is infinite there, and that of 0.0001 is zero."""
    graph, path = graph_of(op, Shape(8, 5)), tmp_path / "op.onnx"
    to_onnx(graph, {}, path, options=ExportOptions(precision="fp16"))
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert (kinds[0], kinds[-1]) == ("Cast", "Cast")
    signs = np.random.default_rng(0).standard_normal((2, 8, 5))
    for scale in (1e-4, 1.0, 300.0, 15000.0):
        x = {"x0": (scale * signs).astype(np.float16)}
        wide = {"x0": x["x0"].astype(np.float64)}
        expected = run_torch(graph, to_torch(graph).double(), wide)
        rounded = run_onnx(round_file(path), {"x0": x["x0"].astype(np.float32)})
        for found in (run_onnx(path, x), rounded, run_torch(graph, to_torch(graph).half(), x)):
            assert difference(expected, {"y": found["y"].astype(np.float64)}) < 2e-3
    assert not run_onnx(path, {"x0": np.zeros((1, 8, 5), np.float16)})["y"].any()
