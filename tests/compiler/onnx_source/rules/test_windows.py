"""Convolutions and pooling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archspec.ops import DeformConv
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.unknown import find_unknown
from compiler.graph import Graph
from tests.support.foreign_models import (
    Arrays,
    Node,
    check_node,
    floats,
    node,
    read_nodes,
)

KERNEL = {"w": floats(6, 4, 3, 3), "b": floats(6)}
TRANSPOSED = "transposed_convolution"
NODES: list[tuple[Node, Arrays, str]] = [
    (node("Conv", "x w b", strides=[2, 2], pads=[1] * 4), KERNEL, "conv"),
    (node("Conv", "x w", pads=[1, 0, 1, 0]), KERNEL, "conv"),
    (node("Conv", "x w", pads=[2, 1, 0, 1], strides=[1, 2]), KERNEL, "conv"),
    (node("Conv", "x w", pads=[0, 0, 1, 2]), KERNEL, "conv"),
    (node("Conv", "x w", strides=[2, 2], auto_pad="SAME_UPPER"), KERNEL, "conv"),
    (node("Conv", "x w", auto_pad="SAME_LOWER"), KERNEL, "conv"),
    (node("Conv", "x w", strides=[2, 2], auto_pad="SAME_LOWER"), KERNEL, "conv"),
    (node("Conv", "x w", auto_pad="VALID", dilations=[2, 2]), KERNEL, "conv"),
    (node("ConvTranspose", "x w", strides=[2, 2], pads=[1] * 4), {"w": floats(4, 6, 4, 4)}, "conv_transpose"),
    (node("ConvTranspose", "x w", group=2, strides=[2, 3]), {"w": floats(4, 3, 3, 2)}, "conv_transpose"),
    (node("ConvTranspose", "x w", strides=[2, 2], output_shape=[18, 24]), {"w": floats(4, 6, 3, 3)}, "conv_transpose"),
    (node("ConvTranspose", "x w", strides=[2, 2], pads=[1, 1, 0, 0]), {"w": floats(4, 6, 3, 3)}, "conv_transpose"),
    (node("ConvTranspose", "x w", pads=[0, 0, 1, 1]), {"w": floats(4, 6, 3, 3)}, TRANSPOSED),
    (node("ConvTranspose", "x w", strides=[2, 2], auto_pad="SAME_UPPER"), {"w": floats(4, 6, 2, 2)}, "conv_transpose"),
    (node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), {}, "max_pool"),
    (node("MaxPool", "x", kernel_shape=[2, 3]), {}, "max_pool"),
    (node("MaxPool", "x", kernel_shape=[3, 3], pads=[0, 0, 1, 1]), {}, "pool"),
    (node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"), {}, "max_pool"),
    (node("MaxPool", "x", kernel_shape=[2, 2], dilations=[2, 2]), {}, "pool"),
    (node("AveragePool", "x", kernel_shape=[3, 3], pads=[1] * 4), {}, "avg_pool"),
    (node("AveragePool", "x", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1), {}, "avg_pool"),
    (node("GlobalAveragePool", "x"), {}, "global_avg_pool"),
    (node("GlobalMaxPool", "x"), {}, "global_max_pool"),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "arrays", "kind"), NODES)
def test_one_node(operation: Node, arrays: Arrays, kind: str, tmp_path: Path) -> None:
    check_node(operation, arrays, kind, tmp_path)


def read_deformed(folder: Path, inputs: str = "x w o b m", **attributes: Any) -> Graph:
    """A node whose offsets and mask come from convolutions with its windows, which a second node would not pad."""
    count, windows = 2, {"kernel_shape": [3, 2], **attributes}
    arrays = {"w": floats(6, 2, 3, 2), "b": floats(6), "ow": floats(24, 4, 3, 2), "mw": floats(12, 4, 3, 2)}
    nodes = [
        node("Conv", "x ow", "o", **windows),
        node("Conv", "x mw", "m", **windows),
        node("DeformConv", inputs, group=2, offset_group=count, **windows),
    ]
    return read_nodes(nodes, (1, 4, 9, 12), arrays, folder, opset=19)


@pytest.mark.parametrize(
    ("attributes", "padding", "apart"),
    [
        ({"pads": [1, 0, 1, 0], "strides": [2, 1]}, (1, 0), 0),
        ({"pads": [2, 1, 0, 0], "dilations": [1, 2]}, (0, 0), 3),
    ],
)
def test_a_convolution_whose_taps_move_is_the_languages(
    attributes: dict[str, Any], padding: Any, apart: int, tmp_path: Path
) -> None:
    """What one end has more is padded before it, as before any convolution."""
    graph = read_deformed(tmp_path, **attributes)
    (op,) = [item.op for item in graph if isinstance(item.op, DeformConv)]
    assert (op.out, op.kernel, op.groups, op.offset_groups, op.bias) == (6, (3, 2), 2, 2, True)
    assert op.padding in (padding, 0)
    assert sum(item.op.kind == "pad" for item in graph) == apart
    assert measure_cost(graph).macs["conv-linear"] > 0
    (stored,) = [item.stored for item in graph if item.op is op]
    assert [*(stored or ())] == ["weight", "bias"]


def test_offsets_that_are_stored_stay_unknown(tmp_path: Path) -> None:
    arrays = {"w": floats(6, 4, 1, 1), "o": floats(1, 2, 9, 12)}
    graph = read_nodes([node("DeformConv", "x w o")], (1, 4, 9, 12), arrays, tmp_path, opset=19)
    assert find_unknown(graph) == {"DeformConv": 1}
