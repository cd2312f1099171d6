"""How operands of attention are laid out: few moves, and few numbers about shapes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from compiler.graph import Graph
from compiler.onnx_target.model import build_model
from tests.support.lowering import TOLERANCE, compare
from tests.support.transformers import build_swin, build_vit


def count(graph: Graph) -> Counter[str]:
    weights = {name: np.ones(weight.shape, np.float32) for name, weight in graph.weights.items()}
    return Counter(node.op_type for node in build_model(graph, weights).head.graph.node)


def test_rows_are_laid_out_by_head_with_one_transposition_each() -> None:
    found = count(build_vit(layers=1))
    assert (found["Transpose"], found["Reshape"], found["Shape"]) == (4 + 2, 4, 0)


def test_windows_are_cut_while_heads_are() -> None:
    found = count(build_swin())
    assert (found["Transpose"], found["Reshape"], found["Shape"]) == (2 * 5 + 2, 2 * 8, 0)


def test_extents_that_are_free_are_computed_once_for_all_blocks(tmp_path: Path) -> None:
    graph = build_swin("H", "W", H=8, W=12)
    found = count(graph)
    assert found["Shape"] == 3
    assert found["Range"] == 2
    assert compare(graph, tmp_path, sizes=({}, {"H": 4, "W": 16})) < TOLERANCE


def test_one_free_extent_needs_no_other(tmp_path: Path) -> None:
    graph = build_swin("H", 8, H=8)
    assert compare(graph, tmp_path, sizes=({}, {"H": 12})) < TOLERANCE
