"""Deformable convolution in ONNX: one node, at every size, and a version of ONNX that has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archspec.api import accepted_sizes, to_torch
from archspec.ops import DeformConv, Shape
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions, Precision
from tests.support.documents import graph_from
from tests.support.lowering import TOLERANCE, compare, list_kinds

DOCUMENT: dict[str, Any] = {"archspec": 1, "inputs": {"x": [8, "H", "W"]}, "sizes": {"H": 9, "W": 12}}
WINDOW = {"stride": 2, "kernel": 3}
DEFORM = {"offset": [{"conv": {"out": 36, **WINDOW}}], "mask": [{"conv": {"out": 18, **WINDOW}}, "sigmoid"]}
NETWORK = [{"deform_conv": {"out": 6, "offset_groups": 2, **WINDOW, **DEFORM}}]


def test_it_is_one_node() -> None:
    x, offset, mask = Shape(8, 9, 12), Shape(18, 9, 12), Shape(9, 9, 12)
    assert list_kinds(DeformConv(out=6), x, offset) == ["DeformConv"]
    assert list_kinds(DeformConv(out=6, bias=False), x, offset, mask) == ["DeformConv"]


def test_one_file_takes_maps_of_every_size(tmp_path: Path) -> None:
    graph = graph_from({**DOCUMENT, "network": NETWORK})
    assert {name: str(size) for name, size in accepted_sizes(graph).items()} == {"H": "any from 1", "W": "any from 1"}
    assert compare(graph, tmp_path, sizes=[{}, {"H": 1, "W": 5}, {"H": 30, "W": 16}]) < TOLERANCE


@pytest.mark.parametrize(("precision", "opset", "ir_version"), [("fp32", 19, 9), ("fp16", 19, 9), ("bf16", 22, 10)])
def test_the_version_of_onnx_is_one_that_has_it(precision: Precision, opset: int, ir_version: int) -> None:
    """Also what else is written differently there: the mean over channels has its axes as an operand from 18 on."""
    graph = graph_from({**DOCUMENT, "network": [*NETWORK, {"reduce": {"over": "channels"}}]})
    weights = {name: value.numpy() for name, value in to_torch(graph).state_dict().items()}
    model = build_model(graph, weights, options=ExportOptions(precision=precision))
    assert (model.head.opset_import[0].version, model.head.ir_version) == (opset, ir_version)
    reduction = next(item for item in model.head.graph.node if item.op_type == "ReduceMean")
    assert len(reduction.input) == 2
