"""What takes numbers along axes together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.foreign_models import Arrays, Node, check_node, node

NODES: list[tuple[Node, Arrays, str]] = [
    (node("ReduceMax", "x", axes=[2, 3]), {}, "global_max_pool"),
    (node("ReduceMean", "x", axes=[1]), {}, "reduce"),
    (node("ReduceSum", "x a"), {"a": np.array([2, 3])}, "reduce"),
    (node("ReduceSum", "x a", keepdims=0), {"a": np.array([-1])}, "reduce_axes"),
    (node("ReduceL2", "x", axes=[2], keepdims=0), {}, "reduce_axes"),
]


@pytest.mark.parametrize(("operation", "arrays", "kind"), NODES)
def test_one_node(operation: Node, arrays: Arrays, kind: str, tmp_path: Path) -> None:
    check_node(operation, arrays, kind, tmp_path)
