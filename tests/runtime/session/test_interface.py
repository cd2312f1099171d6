"""What a session says of the shapes of its outputs, where ONNX Runtime says less or something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import helper

from runtime.session.session import Session
from tests.support.models import build_model, save


def test_outputs_that_are_fixed_with_inputs_are_told_so(tmp_path: Path) -> None:
    """ONNX Runtime infers another extent than the file declares."""
    nodes = [
        helper.make_node("Reshape", ["x", "row"], ["flat"]),
        helper.make_node("ReduceMean", ["flat"], ["y"], axes=[1], keepdims=1),
    ]
    model = build_model(nodes, {"x": ["N", "K"]}, {"y": ["N", 1]}, {"row": np.array([1, -1])})
    path = save(model, tmp_path / "m.onnx")
    assert Session(path, providers="cpu").outputs == {"y": ("N", 1)}
    assert Session(path, providers="cpu", fixed={"N": 1}).outputs == {"y": (1, 1)}
