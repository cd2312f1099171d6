"""Operations that only move numbers cost no products."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.unknown import find_unknown
from tests.support.foreign_models import (
    Arrays,
    floats,
    node,
    read_nodes,
)


@pytest.mark.parametrize(
    ("operation", "reads", "arrays"),
    [
        ("TopK", "x i", {"i": [2]}),
        ("GatherND", "x i", {"i": [[0, 1], [0, 2]]}),
        ("GatherElements", "x i", {"i": np.zeros((1, 2, 9, 12), np.int64)}),
        ("ScatterND", "x i u", {"i": [[0, 1]], "u": floats(1, 9, 12)}),
        ("ScatterElements", "x i u", {"i": np.zeros((1, 1, 1, 1), np.int64), "u": floats(1, 1, 1, 1)}),
        ("GridSample", "x g", {"g": floats(1, 5, 6, 2)}),
    ],
)
def test_what_moves_numbers_costs_no_products(operation: str, reads: str, arrays: Arrays, tmp_path: Path) -> None:
    more = {"axis": 1} if operation in ("TopK", "GatherElements", "ScatterElements") else {}
    outputs = "h i2" if operation == "TopK" else "h"
    graph = read_nodes(
        [node(operation, reads, outputs, **more), node("Relu", "h")], (1, 4, 9, 12), arrays, tmp_path, opset=18
    )
    assert find_unknown(graph) == {}
    assert measure_cost(graph).macs["conv-linear"] == 0
