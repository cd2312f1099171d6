"""Pooling that rounds up, in the forms that runtimes infer and load."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from archspec.api import to_onnx, to_torch
from archspec.ops import AvgPool, MaxPool, Op, Shape
from tests.support.documents import graph_from
from tests.support.lowering import TOLERANCE, compare, export, graph_of, stir


@pytest.mark.parametrize("op", [MaxPool(kernel=2, padding=1, ceil=True), AvgPool(kernel=2, padding=1, ceil=True)])
def test_a_last_window_in_the_padding_is_not_inferred(op: Op, tmp_path: Path) -> None:
    graph = graph_of(op, Shape(2, 5, 5))
    onnx.shape_inference.infer_shapes(onnx.load(export(graph, {}, tmp_path)), strict_mode=True, data_prop=True)
    assert compare(graph, tmp_path) < TOLERANCE


@pytest.mark.parametrize("kind", ["max_pool", "avg_pool"])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 2), (2, 3)])
@pytest.mark.parametrize("fixed", [4, 5])
def test_pools_that_round_up_beside_a_fixed_axis_load(
    kind: str, kernel: int, stride: int, fixed: int, tmp_path: Path
) -> None:
    """Before a merge, for whose operands onnx infers a window less."""
    pool = {kind: {"kernel": kernel, "stride": stride, "ceil": True}}
    network = [pool, {"mul": [[], [{"conv": 1}, {"conv": 1}]]}]
    document = {"archspec": 1, "inputs": {"x": [1, fixed, "W"]}, "sizes": {"W": 4}, "network": network}
    graph = graph_from(document)
    assert to_onnx(graph, stir(to_torch(graph)).state_dict(), tmp_path / "m.onnx").proof
