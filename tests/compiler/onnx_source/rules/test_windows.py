"""Convolutions and pooling."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.foreign_models import (
    Arrays,
    Node,
    check_node,
    floats,
    node,
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
