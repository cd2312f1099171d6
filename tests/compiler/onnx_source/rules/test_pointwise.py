"""Functions of one value: what each node is in the graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from archspec.ops import Clip, Shift
from compiler.onnx_source.values import Constant
from tests.support.foreign_models import (
    Arrays,
    Node,
    check_node,
    floats,
    node,
    read_nodes,
)

NODES: list[tuple[Node, Arrays, str]] = [
    (node("Clip", "x l h"), {"l": np.float32(0), "h": np.float32(6)}, "relu6"),
    (node("Clip", "x l"), {"l": np.float32(0)}, "relu"),
    (node("Clip", "x l h"), {"l": np.float32(-1), "h": np.float32(1)}, "hard_tanh"),
    (node("Clip", "x l h"), {"l": np.float32(-1), "h": np.float32(2)}, "clip"),
    (node("Clip", "x  h"), {"h": np.float32(2)}, "clip"),
    (node("Selu", "x"), {}, "selu"),
    (node("Selu", "x", alpha=1.5), {}, "elementwise"),
    (node("PRelu", "x s"), {"s": floats(1)}, "prelu"),
    (node("PRelu", "x s"), {"s": floats(4, 1, 1)}, "prelu"),
    (node("PRelu", "x s"), {"s": floats(1, 1, 1)}, "elementwise"),
    (node("LeakyRelu", "x", alpha=0.2), {}, "leaky_relu"),
    (node("HardSigmoid", "x", alpha=1 / 6), {}, "hard_sigmoid"),
    (node("HardSigmoid", "x"), {}, "elementwise"),
    (node("Softmax", "x", axis=1), {}, "softmax"),
    (node("Softmax", "x"), {}, "softmax_along"),
    (node("Erf", "x"), {}, "elementwise"),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "arrays", "kind"), NODES)
def test_one_node(operation: Node, arrays: Arrays, kind: str, tmp_path: Path) -> None:
    check_node(operation, arrays, kind, tmp_path)


MAP = (1, 4, 9, 12)


@pytest.mark.parametrize("kind", ["Identity", "Dropout"])
def test_what_does_nothing_is_no_node(kind: str, tmp_path: Path) -> None:
    graph = read_nodes([node("Relu", "x", "h"), node(kind, "h")], MAP, {}, tmp_path)
    assert [item.op.kind for item in graph] == ["input", "relu"]


def test_whole_numbers_are_less_than_what_they_were_made_of(tmp_path: Path) -> None:
    there = node("Cast", "x", "i", to=TensorProto.INT64)
    graph = read_nodes([there, node("Cast", "i", to=TensorProto.FLOAT)], (1, 4), {}, tmp_path, opset=18)
    assert [item.op.word for item in graph] == ["input", "cast"]
    halves = [node("Cast", "x", "h", to=TensorProto.FLOAT16), node("Cast", "h", "f", to=1), node("Relu", "f")]
    assert [item.op.kind for item in read_nodes(halves, (1, 4), {}, tmp_path, opset=18)] == ["input", "relu"]


def test_stored_numbers_are_those_that_were_written(tmp_path: Path) -> None:
    """In single precision, as attributes are; a number of half precision is what it is."""
    clip, shift = node("Clip", "x l", "c"), node("Add", "c s")
    graph = read_nodes([clip, shift], MAP, {"l": np.float32(0.1), "s": np.float32(1e-6)}, tmp_path)
    assert [item.op for item in graph][1:] == [Clip(low=0.1), Shift(value=1e-6)]
    assert Constant("s", (), np.array(0.1, np.float32)).number == 0.1 != float(np.float32(0.1))
    assert Constant("s", (), np.array(0.1, np.float16)).number == float(np.float16(0.1)) != 0.1  # the control
