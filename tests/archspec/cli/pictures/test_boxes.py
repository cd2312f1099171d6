"""Boxes are counted as they are seen, operations as they are computed; the input is none."""

from __future__ import annotations

import pytest

from archspec.cli.pictures.boxes import count_boxes
from compiler.draw.picture import draw_graph
from tests.support.documents import graph_from

BLOCK = {"residual": {"body": [{"conv": 4}, "norm", "relu"]}}


@pytest.mark.parametrize(
    ("network", "depth", "said"),
    [
        ([{"conv": 4}], 0, "3 boxes for 1 operation"),
        ([{"conv": 4}, {"max_pool": 2}], 0, "4 boxes for 2 operations"),
        ([{"conv": 4}, BLOCK, BLOCK], 0, "4 boxes for 9 operations"),
        ([{"conv": 4}, BLOCK, BLOCK], 1, "6 boxes for 9 operations"),
    ],
)
def test_boxes_that_are_seen_stand_for_operations(network: list[object], depth: int, said: str) -> None:
    """Counted by hand: beside the operations stand input and output, blocks that are alike are one box, open or not,
    and what follows a convolution stands in its box."""
    graph = graph_from({"archspec": 1, "inputs": {"x": [4, 8, 8]}, "network": network})
    assert count_boxes(draw_graph(graph, depth=depth)) == said
