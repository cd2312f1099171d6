"""What is padded in a file: by the language's words where they say it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.foreign_models import Arrays, Node, check_node, node

NODES: list[tuple[Node, Arrays, str]] = [
    (node("Pad", "x p"), {"p": np.array([0, 0, 1, 0, 0, 0, 0, 2])}, "pad"),
    (node("Pad", "x p", mode="reflect"), {"p": np.array([0, 0, 1, 0, 0, 0, 0, 2])}, "pad"),
    (node("Pad", "x p"), {"p": np.array([0, 0, 1, 0, 0, 0, -1, 2])}, "pad_edges"),
    (node("Pad", "x p v"), {"p": np.array([0, 0, 1, 0, 0, 0, 0, 2]), "v": np.float32(3)}, "pad_edges"),
    (node("Pad", "x p"), {"p": np.array([0, 0, 0, 0, 0, 3, 0, 0])}, "pad_channels"),
]


@pytest.mark.parametrize(("operation", "arrays", "kind"), NODES)
def test_one_node(operation: Node, arrays: Arrays, kind: str, tmp_path: Path) -> None:
    check_node(operation, arrays, kind, tmp_path)
