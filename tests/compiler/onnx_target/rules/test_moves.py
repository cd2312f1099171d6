"""What moves numbers: its form in the file, which holds at every size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from archspec.api import open_network, to_onnx, to_torch
from archspec.ops import Op, Roll, Shape, Slice
from compiler.graph import Graph
from compiler.onnx_target.options import ExportOptions, Precision
from tests.support.documents import graph_from
from tests.support.lowering import TOLERANCE, difference, export, list_kinds, run_onnx, run_torch, sample_inputs

FORMS: list[tuple[Op, tuple[Shape, ...], list[str]]] = [
    (Slice(stop=2), (Shape(4, 8, 8),), ["Slice"]),
    (Roll(shift=(0, 2)), (Shape(4, 8, 8),), ["Slice", "Slice", "Concat"]),
    (Slice(axis=1, step=2), (Shape(4, 8),), ["Slice"]),
]


@pytest.mark.parametrize(("op", "shapes", "kinds"), FORMS, ids=[repr(op) for op, _, _ in FORMS])
def test_the_form_is_short(op: Op, shapes: tuple[Shape, ...], kinds: list[str]) -> None:
    assert list_kinds(op, *shapes) == kinds


FALLING = [{"relu": None}, {"scale": -1}]
"""All values are below zero, so that a zero that is added is the largest of a window."""

PADDED: list[tuple[dict[str, object], dict[str, object]]] = [
    ({"before": 1}, {"max_pool": 2}),
    ({"before": 2, "after": [0, 1]}, {"max_pool": 2}),
    ({"before": 1}, {"max_pool": {"kernel": 3, "padding": 1}}),
    ({"before": 2}, {"avg_pool": {"kernel": 2, "count": "inside"}}),
    ({"before": 2}, {"avg_pool": {"kernel": 2, "ceil": True}}),
    ({"before": 2}, {"avg_pool": 2}),
]


def padded_graph(pad: dict[str, object], pool: dict[str, object]) -> Graph:
    network = [*FALLING, {"pad": pad}, pool]
    return graph_from({"archspec": 1, "inputs": {"x": [2, "H", "W"]}, "sizes": {"H": 8, "W": 8}, "network": network})


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize(("pad", "pool"), PADDED, ids=str)
def test_zeros_before_a_pooling_are_values(
    pad: dict[str, object], pool: dict[str, object], precision: Precision, tmp_path: Path
) -> None:
    """With ONNX Runtime's own optimizations, which make zeros a pooling's padding."""
    assert to_onnx(padded_graph(pad, pool), {}, tmp_path / "m.onnx", options=ExportOptions(precision=precision)).proof


def test_plain_zeros_are_made_the_pooling_s_own(tmp_path: Path) -> None:
    """The control: the same file with zeros whose bits are zero answers otherwise."""
    graph = padded_graph(*PADDED[0])
    model = onnx.load(export(graph, {}, tmp_path))
    (zero,) = (tensor for tensor in model.graph.initializer if tensor.name.endswith(".zero"))
    assert np.signbit(onnx.numpy_helper.to_array(zero))
    zero.CopyFrom(onnx.numpy_helper.from_array(np.zeros((), np.float32), zero.name))
    case = sample_inputs(graph, 2)
    expected = run_torch(graph, to_torch(graph), case)
    assert difference(expected, run_onnx(tmp_path / f"{graph.name}.onnx", case)) < TOLERANCE
    assert difference(expected, run_onnx(model.SerializeToString(), case)) > 0.1


def test_zeros_before_a_pooling_are_read_back(tmp_path: Path) -> None:
    graph = padded_graph(*PADDED[0])
    found, _ = open_network(export(graph, {}, tmp_path))
    assert [*found][-2].op == [*graph][-2].op
