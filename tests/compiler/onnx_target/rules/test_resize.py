"""Resampling in ONNX Runtime: at every size where torch's values lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec.api import accepted_sizes, to_torch
from archspec.ops import Resize, Shape, Upsample
from tests.support.documents import graph_from
from tests.support.lowering import difference, export, list_kinds, run_onnx, run_torch

MAP = Shape(4, 8, 8)


def test_forms_are_single_nodes_where_extents_need_not_be_read() -> None:
    assert list_kinds(Upsample(scale=2), MAP) == ["Resize"]
    assert list_kinds(Upsample(scale=1.5, mode="linear"), MAP) == ["Resize"]
    assert list_kinds(Resize(), MAP, Shape(2, 5, 5)) == ["Shape", "Shape", "Concat", "Resize"]


@pytest.mark.parametrize(
    "node",
    [
        *(
            {"upsample": {"scale": scale, "mode": mode}}
            for scale in ("3 / 2", "4 / 3", "1 / 2", 3)
            for mode in ("nearest", "linear")
        ),
        {"upsample": {"scale": ["5 / 6", 2], "mode": "linear", "corners": "aligned"}},
        {"upsample": {"scale": "3 / 2", "mode": "cubic"}},
        {"upsample": {"scale": "3 / 4", "mode": "cubic", "corners": "aligned"}},
        {"resize": {"like": "y"}},
        {"resize": {"like": "y", "mode": "linear", "corners": "aligned"}},
        {"resize": {"like": "y", "mode": "cubic"}},
    ],
    ids=str,
)
def test_one_file_has_torchs_values_at_every_size(node: dict[str, Any], tmp_path: Path) -> None:
    """Also where a fraction of a position is rounded off; and a control."""
    inputs = {"x": [2, "H", "W"], "y": [1, "A", "B"]}
    document = {"archspec": 1, "inputs": inputs, "sizes": {"H": 8, "W": 9, "A": 5, "B": 7}, "network": [node]}
    graph = graph_from(document)
    assert all(rule.dynamic for rule in accepted_sizes(graph).values())
    module, path = to_torch(graph), export(graph, {}, tmp_path)
    for turn, (height, width) in enumerate([(3, 4), (5, 7), (13, 24), (31, 4), (64, 65)]):
        random = np.random.default_rng(turn)
        case = {
            "x": random.standard_normal((1 + turn % 2, 2, height, width)).astype(np.float32),
            "y": random.standard_normal((1 + turn % 2, 1, 3 * turn + 1, 11 - 2 * turn)).astype(np.float32),
        }
        expected, found = run_torch(graph, module, case), run_onnx(path, {name: case[name] for name in graph.inputs})
        assert difference(expected, found) < 1e-5
        moved = {name: 1.01 * value for name, value in case.items()}
        assert difference(expected, run_onnx(path, moved)) > 1e-3
