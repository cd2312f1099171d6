"""What moves numbers, or joins and reduces them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.foreign_models import (
    Arrays,
    Node,
    check_node,
    floats,
    node,
    read_nodes,
)

ENDS = {"a": np.array([8, 1]), "b": np.array([-20, 99]), "c": np.array([2, -1]), "d": np.array([-2, 3])}
NODES: list[tuple[Node, Arrays, str]] = [
    (node("Concat", "x x", axis=1), {}, "concat"),
    (node("Concat", "x x", axis=-1), {}, "concat_positions"),
    (node("Concat", "x s", axis=1), {"s": floats(1, 2, 9, 12)}, "concat_along"),
    (node("Slice", "x a b c d"), ENDS, "cut"),
    (node("Flatten", "x"), {}, "flatten"),
    (node("Reshape", "x s"), {"s": np.array([0, -1])}, "flatten"),
    (node("Reshape", "x s"), {"s": np.array([0, 2, -1, 12])}, "rearrange"),
    (node("Unsqueeze", "x a"), {"a": np.array([2])}, "rearrange"),
    (node("Transpose", "x", perm=[1, 0, 2, 3]), {}, "rearrange"),
    (node("Gather", "x i", axis=1), {"i": np.array([2, 0])}, "rearrange"),
    (node("Gather", "x i", axis=2), {"i": np.array(3)}, "rearrange"),
    (node("Expand", "x s"), {"s": np.array([3, 4, 9, 12])}, "rearrange"),
    (node("Tile", "x s"), {"s": np.array([1, 1, 2, 1])}, "rearrange"),
    (node("SpaceToDepth", "x", blocksize=3), {}, "space_before_depth"),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "arrays", "kind"), NODES)
def test_one_node(operation: Node, arrays: Arrays, kind: str, tmp_path: Path) -> None:
    check_node(operation, arrays, kind, tmp_path)


def test_a_part_of_nothing_is_joined_to_the_rest(tmp_path: Path) -> None:
    """As a roll by no positions is exported."""
    nodes = [
        node("Slice", "x a e d", "l"),
        node("Slice", "x b a d", "r"),
        node("Concat", "l r", "c", axis=2),
        node("Relu", "c"),
    ]
    graph = read_nodes(nodes, (1, 4, 9, 12), {"a": [0], "e": [99], "b": [9], "d": [2]}, tmp_path, opset=18)
    assert [item.op.kind for item in graph] == ["input", "relu"]
