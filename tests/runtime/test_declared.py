"""Outputs that have not the shapes that their model declares are told of, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from runtime.session import Session
from tests.runtime.models import build_model, save

MEAN = [
    helper.make_node("Reshape", ["x", "row"], ["flat"]),
    helper.make_node("ReduceMean", ["flat"], ["y"], axes=[1], keepdims=1),
]


@pytest.mark.parametrize(
    ("nodes", "declared", "said"),
    [
        (MEAN, ["N", 1], "the output 'y' is (1, 1), declared as (N, 1) where N is 3 in the input 'x'"),
        (MEAN, [1, 1], None),  # the controls: what is declared came, and nothing is declared
        (MEAN, None, None),
        ([helper.make_node("Neg", ["x"], ["y"])], [1, 4], "the output 'y' is (3, 4), declared as (1, 4)"),
        ([helper.make_node("Neg", ["x"], ["y"])], ["N", 4], None),
        ([helper.make_node("Neg", ["x"], ["y"])], ["M", 4], None),  # a name that no input has
    ],
)
def test_shapes_that_lie_are_told_once(
    nodes: list[Any], declared: list[int | str] | None, said: str | None, tmp_path: Path, caplog: Any
) -> None:
    model = build_model(nodes, {"x": ["N", 4]}, {"y": declared or []}, {"row": np.array([1, -1])})
    if declared is None:
        model.graph.output[0].type.tensor_type.ClearField("shape")
    session = Session(save(model, tmp_path / "m.onnx"), providers="cpu")
    assert session.outputs["y"] == (None if declared is None else tuple(declared))
    for count in (3, 3, 2):
        session.run(np.ones((count, 4), np.float32))
    assert [said in line for line in caplog.messages] == [True] if said else not caplog.messages
