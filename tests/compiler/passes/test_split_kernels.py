"""A 3×3 kernel as one along each axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compiler.graph import Graph
from compiler.passes.base import run_passes, trace_value
from compiler.passes.split_kernels import AxisConv, SplitKernels
from tests.support.documents import graph_from
from tests.support.forms import compare_form
from tests.support.lowering import TOLERANCE, Arrays
from tests.support.rewriting import stirred


def narrow(channels: int = 96, **conv: Any) -> Graph:
    network = [{"conv": {"out": 12, **conv}}, "relu", {"conv": 3}]
    return graph_from(
        {"archspec": 1, "inputs": {"x": [channels, "H", "W"]}, "sizes": {"H": 7, "W": 5}, "network": network}
    )


@pytest.mark.parametrize("conv", [{}, {"bias": False}, {"out": 16}, {"out": 4, "padding": 1}])
def test_equals_the_kernel(conv: dict[str, Any]) -> None:
    after, found = compare_form(narrow(**conv), [SplitKernels()])
    assert [type(node.op) for node in after][1:3] == [AxisConv, AxisConv]
    assert found < TOLERANCE


def test_at_extents_below_the_kernel() -> None:
    assert compare_form(narrow().resize({"H": 1, "W": 2}), [SplitKernels()])[1] < TOLERANCE


def test_control_swapped_rows_show() -> None:
    def swap(arrays: Arrays) -> None:
        arrays["conv_0.weight"] = arrays["conv_0.weight"][:, :, ::-1]

    assert compare_form(narrow(), [SplitKernels()], swap)[1] > 100 * TOLERANCE


@pytest.mark.parametrize(
    "conv",
    [
        {"out": 20},
        {"out": 10},
        {"kernel": 5},
        {"stride": 2},
        {"padding": 0},
        {"dilation": 2},
        {"groups": 2},
        {"channels": 92},
        {"channels": 98},
    ],
)
def test_leaves_what_was_no_faster(conv: dict[str, Any]) -> None:
    graph = narrow(**conv)
    assert SplitKernels()(graph, stirred(graph))[0] is graph


def test_which_node_gives_which_value() -> None:
    graph = narrow()
    _, _, steps = run_passes([SplitKernels()], graph, stirred(graph))
    assert trace_value(steps, "conv_0") == "conv_0"
    assert trace_value(steps, "conv_0.rows") is None


def test_the_operation_counts_as_the_exported_one_does() -> None:
    graph = narrow()
    after, arrays = SplitKernels()(graph, stirred(graph))
    rows = after["conv_0.rows"]
    kernel = np.asarray(arrays["conv_0.rows.weight"])
    assert kernel.shape == (36, 96, 1, 3)
    assert rows.op.macs(*after.operands(rows)) == kernel.size * 7 * 5
