"""Attributes and operands of a node, as old and new versions of operations write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archspec.errors import ArchspecError
from tests.support.foreign_models import (
    node,
    read_nodes,
)

MAP = (1, 4, 9, 12)


def test_older_operations_say_in_attributes_what_newer_ones_take(tmp_path: Path) -> None:
    nodes = [
        node("Pad", "x", "a", pads=[0, 0, 1, 1, 0, 0, 1, 1], mode="reflect"),
        node("Clip", "a", "b", min=0.0, max=6.0),
        node("Slice", "b", "c", starts=[1], ends=[3], axes=[1]),
        node("Upsample", "c s", "d", mode="nearest"),
        node("Squeeze", "d", "e", axes=[0]),
        node("Unsqueeze", "e", "f", axes=[0]),
        node("Dropout", "f", "g", ratio=0.5),
        node("Softmax", "g", "y", axis=1),
    ]
    graph = read_nodes(nodes, MAP, {"s": np.array([1, 1, 2, 2], np.float32)}, tmp_path, opset=9)
    kinds = [item.op.kind for item in graph]
    assert kinds == ["input", "pad", "relu6", "slice", "upsample", "softmax_along"]


def test_lists_of_numbers_hold_nothing_else(tmp_path: Path) -> None:
    resize = node("Resize", "x", "y", scales=["two"], mode="nearest")
    with pytest.raises(ArchspecError, match="the attribute scales should be a list of numbers"):
        read_nodes([resize], MAP, {}, tmp_path)
