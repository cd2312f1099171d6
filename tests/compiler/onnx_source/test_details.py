"""Numbers as text."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from compiler.analysis.compare.diff import diff_graphs
from tests.support.foreign_models import (
    node,
    read_nodes,
)


def test_numbers_are_told_apart_where_single_precision_does(tmp_path: Path) -> None:
    """In an attribute, and in a constant; what one float is written as is the same."""
    near = np.nextafter(np.float32(0.1234567), np.float32(1))
    for pair in (0.1234567, near), (0.1234567, np.float32(0.1234567)):
        said = [read_nodes([node("Selu", "x", alpha=float(number))], (1, 4), {}, tmp_path, opset=18) for number in pair]
        powers = [
            read_nodes([node("Pow", "x n")], (1, 4), {"n": np.float32(number)}, tmp_path, opset=18) for number in pair
        ]
        equal = np.float32(pair[0]) == np.float32(pair[1])
        for first, second in (said, powers):
            assert diff_graphs(first, second).equal == equal
            assert (first.nodes["y"].op.facts == second.nodes["y"].op.facts) == equal
