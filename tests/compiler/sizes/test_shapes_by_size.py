"""Shapes that are equal at every size are told from those that only happen to be, as compiling at other sizes shows."""

from __future__ import annotations

from typing import Any

import pytest

from compiler.sizes.shapes_by_size import ShapesBySize
from tests.support.documents import graph_from

SAME: list[list[Any]] = [
    [{"conv": 4}, "batch_norm", "relu", {"conv": {"out": 3, "kernel": 5}}],
    [{"max_pool": {"kernel": 3, "stride": 1, "padding": 1}}, "instance_norm", {"conv": {"out": 3, "dilation": 2}}],
    [{"mul": [[], ["global_avg_pool", {"conv": 3}, "sigmoid"]]}],
]
APART: list[list[Any]] = [
    [{"avg_pool": {"kernel": 2, "ceil": True}}, {"upsample": 2}],
    [{"conv": {"out": 3, "stride": 2}}, {"upsample": 2}],
]


@pytest.mark.parametrize(("body", "one"), [(body, True) for body in SAME] + [(body, False) for body in APART], ids=str)
def test_equal_at_one_size_need_not_be_at_all(body: list[Any], one: bool) -> None:
    document = {"archspec": 1, "inputs": {"x": [3, "H", "H"]}, "sizes": {"H": 8}, "network": body}
    graph = graph_from(document)
    (end,) = graph.outputs.values()
    assert graph["x"].shape == graph[end].shape
    assert ShapesBySize(graph.sizes).are_one(dict(graph.nodes), graph["x"], graph[end]) is one
    found = {shapes["x"] == shapes[end] for shapes in (graph.infer({"H": size}) for size in range(3, 20))}
    assert (found == {True}) is one
