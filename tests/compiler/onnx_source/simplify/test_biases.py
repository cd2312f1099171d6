"""Biases that exporters add behind a layer."""

from __future__ import annotations

from pathlib import Path

from compiler.analysis.cost.cost import measure_cost
from tests.support.foreign_models import (
    floats,
    node,
    read_nodes,
)

MAP = (1, 4, 9, 12)


KERNEL = {"w": floats(6, 4, 3, 3), "b": floats(6)}


def test_a_bias_that_is_added_behind_is_the_layers_own(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "a"),
        node("Add", "a c", "b"),
        node("Flatten", "b", "f"),
        node("MatMul", "f m", "g"),
        node("Add", "g d"),
    ]
    arrays = {"w": KERNEL["w"], "c": floats(1, 6, 1, 1), "m": floats(420, 5), "d": floats(5)}
    graph = read_nodes(nodes, MAP, arrays, tmp_path)
    assert [item.op.kind for item in graph] == ["input", "conv", "flatten", "linear"]
    assert measure_cost(graph).parameters == sum(array.size for array in arrays.values())
