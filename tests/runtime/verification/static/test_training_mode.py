"""A node that trains, or draws random numbers, is found wherever it stands; one that only could is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from archspec.api import verify_model
from tests.support.verification import FLOAT, make_node, row, save

SCALES = {"s": np.ones(3, np.float32), "b": np.zeros(3, np.float32), "v": np.ones(3, np.float32)}


NORM: dict[str, Any] = {"inputs": ["x", "s", "b", "b", "v"], "name": "bn"}


SHARE, YES, NO = np.array(0.5, np.float32), np.array(True), np.array(False)


@pytest.mark.parametrize(
    ("node", "weights", "opset", "told"),
    [
        (make_node("BatchNormalization", outputs=["y"], **NORM), SCALES, 17, None),
        (make_node("BatchNormalization", outputs=["y"], training_mode=0, **NORM), SCALES, 17, None),
        (make_node("BatchNormalization", outputs=["y", "m", "n"], training_mode=1, **NORM), SCALES, 17, "bn (Batch"),
        (make_node("BatchNormalization", outputs=["y"], **NORM), SCALES, 9, None),
        (make_node("BatchNormalization", outputs=["y", "m", "n", "o", "p"], **NORM), SCALES, 9, "bn (Batch"),
        (make_node("Dropout", ["x"], ["y"]), {}, 17, None),
        (make_node("Dropout", ["x", "r", "t"], ["y"]), {"r": SHARE, "t": NO}, 17, None),
        (make_node("Dropout", ["x", "r", "t"], ["y"]), {"r": 0 * SHARE, "t": YES}, 17, None),
        (make_node("Dropout", ["x", "r", "t"], ["y"]), {"r": SHARE, "t": YES}, 17, "y (Dropout)"),
        (make_node("Dropout", ["x", "", "t"], ["y"]), {"t": YES}, 17, "y (Dropout)"),
    ],
)
def test_nothing_is_left_in_training_mode(
    node: onnx.NodeProto, weights: dict[str, Any], opset: int, told: str | None, tmp_path: Path
) -> None:
    found = verify_model(save(tmp_path, [node], {"x": ["N", 3, 2, 2]}, {"y": ["N", 3, 2, 2]}, weights, opset=opset))
    inference = row(found, "inference")
    assert inference.status == ("failed" if told else "passed")
    assert found.passed == (told is None), found.checks
    assert (told or "no node") in inference.text


def test_training_mode_is_found_in_a_branch(tmp_path: Path) -> None:
    drop = make_node("Dropout", ["x", "r", "t"], ["d"], name="inner")
    value = helper.make_tensor_value_info("d", FLOAT, None)
    keep = make_node("Identity", ["x"], ["d"])
    branches = {
        "then_branch": helper.make_graph([drop], "then", [], [value]),
        "else_branch": helper.make_graph([keep], "else", [], [value]),
    }
    nodes = [make_node("If", ["t"], ["y"], **branches)]
    found = verify_model(save(tmp_path, nodes, {"x": ["N", 30]}, {"y": ["N", 30]}, {"r": SHARE, "t": YES}))
    assert row(found, "inference").status == "failed"
    assert "inner (Dropout)" in row(found, "inference").text


def test_gradients_are_no_inference(tmp_path: Path) -> None:
    node = make_node("Gradient", ["x"], ["y"], domain="ai.onnx.preview.training", xs=["x"], y="x", name="back")
    found = verify_model(save(tmp_path, [node], {"x": ["N", 3]}, {"y": ["N", 3]}))
    assert row(found, "inference").status == "failed"
    assert "back (Gradient) computes gradients" in row(found, "inference").text


def test_random_numbers_are_noted(tmp_path: Path) -> None:
    nodes = [make_node("RandomNormalLike", ["x"], ["r"], name="noise"), make_node("Add", ["x", "r"], ["y"])]
    found = verify_model(save(tmp_path, nodes, {"x": ["N", 3]}, {"y": ["N", 3]}))
    assert found.passed
    assert "noise (RandomNormalLike) draws random numbers" in row(found, "inference").text
    assert {check.status for check in found.checks if check.name.startswith("x ")} == {"noted"}
