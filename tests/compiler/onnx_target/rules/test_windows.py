"""Poolings and paddings in the forms that runtimes infer and load."""

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


FOLLOWS = {"padding": "same_end", "stride": 2}
BY_SIZE: list[tuple[dict[str, dict[str, object]], list[str]]] = [
    ({"conv": {"out": 4, **FOLLOWS}}, ["Conv"]),
    ({"max_pool": {"kernel": 3, **FOLLOWS}}, ["MaxPool"]),
    ({"avg_pool": {"kernel": 3, "count": "inside", **FOLLOWS}}, ["AveragePool"]),
    ({"avg_pool": {"kernel": 3, "stride": 2, "padding": ["same", "same_end"]}}, ["AveragePool", "AveragePool"]),
]


@pytest.mark.parametrize(("layer", "kinds"), BY_SIZE)
def test_a_padding_that_follows_the_size_is_onnx_own(
    layer: dict[str, dict[str, object]], kinds: list[str], tmp_path: Path
) -> None:
    """At every size: the proof of the export compares several."""
    assert export_at_any_size(layer, tmp_path) == kinds


@pytest.mark.parametrize("more", [{"dilation": 2}, {"padding": ["same_end", 1]}], ids=str)
def test_a_padding_that_is_none_of_onnx_is_computed(more: dict[str, object], tmp_path: Path) -> None:
    """ONNX Runtime has no dilation with ONNX's rule, and ONNX has one rule for all axes."""
    kinds = export_at_any_size({"conv": {"out": 4, **FOLLOWS, **more}}, tmp_path)
    assert kinds[:2] == ["Shape", "Slice"]
    assert kinds[-2:] == ["Pad", "Conv"]


def export_at_any_size(layer: dict[str, dict[str, object]], folder: Path) -> list[str]:
    document = {"archspec": 1, "inputs": {"x": [2, "H", "W"]}, "sizes": {"H": 9, "W": 8}, "network": [layer]}
    graph = graph_from(document)
    done = to_onnx(graph, stir(to_torch(graph)).state_dict(), folder / "m.onnx")
    assert done.proof
    assert {(case.inputs["x"][2] % 2, case.inputs["x"][3] % 2) for case in done.proof.cases} > {(1, 0)}
    return [node.op_type for node in onnx.load(folder / "m.onnx").graph.node]


@pytest.mark.parametrize(
    "layer",
    [
        {"avg_pool": {"kernel": 2, "stride": 3, "padding": "same_end"}},
        {"avg_pool": {"kernel": 3, "stride": 5, "padding": "same_end", "count": "inside"}},
        {"max_pool": {"kernel": [2, 3], "stride": [3, 2], "padding": "same_end"}},
        {"max_pool": {"kernel": [1, 2], "stride": 4, "padding": ["same_end", 0]}},
        {"conv": {"out": 4, "kernel": 2, "stride": 3, "padding": "same_end"}},
    ],
    ids=str,
)
def test_strides_beyond_the_windows_pad_nothing_that_is_negative(
    layer: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    """At every size, also where the last window ends before the map does."""
    kinds = export_at_any_size(layer, tmp_path)
    assert ("Slice" in kinds) == ("conv" not in layer)
