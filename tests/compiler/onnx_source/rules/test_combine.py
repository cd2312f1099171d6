"""Functions of several values, and of a value with stored numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archspec.ops import Scale, Shift
from compiler.analysis.paths.counting import count_paths
from tests.support.foreign_models import (
    Arrays,
    Node,
    check_node,
    floats,
    node,
    read_nodes,
)

NODES: list[tuple[Node, Arrays, str]] = [
    (node("Max", "x x x"), {}, "max"),
    (node("Sub", "x x"), {}, "sub"),
    (node("Max", "x s"), {"s": floats(4, 9, 12)}, "elementwise"),
    (node("Add", "x s"), {"s": np.float32(2)}, "shift"),
    (node("Div", "x s"), {"s": np.float32(2)}, "scale"),
    (node("Mul", "x s"), {"s": floats(4, 1, 1)}, "scale"),
    (node("Add", "x s"), {"s": floats(1, 1, 12)}, "elementwise"),
    (node("Sum", "x x x"), {}, "add"),
    (node("Where", "c x s"), {"c": np.array(True), "s": np.float32(0)}, "elementwise"),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "arrays", "kind"), NODES)
def test_one_node(operation: Node, arrays: Arrays, kind: str, tmp_path: Path) -> None:
    check_node(operation, arrays, kind, tmp_path)


MAP = (1, 4, 9, 12)


def test_one_minus_a_value_stays_a_gate(tmp_path: Path) -> None:
    nodes = [node("Sigmoid", "x", "t"), node("Sub", "one t", "c"), node("Mul", "x c")]
    graph = read_nodes(nodes, MAP, {"one": np.float32(1)}, tmp_path)
    assert [item.op for item in graph][2:4] == [Scale(value=-1.0), Shift(value=1.0)]
    assert (count_paths(graph).op.total, count_paths(graph).ungated.total) == (2, 1)
