"""Recurrent layers in ONNX Runtime, for sequences of every length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archspec.api import accepted_sizes
from tests.support.documents import graph_from
from tests.support.lowering import TOLERANCE, compare


@pytest.mark.parametrize(
    "node", [{"lstm": 5}, {"lstm": {"out": 4, "both": True}}, {"gru": 5}, {"gru": {"out": 4, "both": True}}], ids=str
)
def test_one_file_takes_sequences_of_every_length(node: dict[str, Any], tmp_path: Path) -> None:
    document = {"archspec": 1, "inputs": {"x": [3, "L"]}, "sizes": {"L": 9}}
    graph = graph_from({**document, "network": [node, {"conv": 4}]})
    assert str(accepted_sizes(graph)["L"]) == "any from 1"
    assert compare(graph, tmp_path, sizes=[{"L": 9}, {"L": 1}, {"L": 40}]) < TOLERANCE
