"""Runs at several sizes: what has no verdict, what is finite for some inputs alone, and what is for none."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from archspec.api import verify_model
from archspec.errors import ArchspecError
from tests.support.verification import FLOAT, make_node, row, save, steer


def test_what_gives_no_array_is_not_judged(tmp_path: Path) -> None:
    path = save(tmp_path, [make_node("SplitToSequence", ["x"], ["y"])], {"x": [2, 4]}, {"y": [1]})
    model = onnx.load(path)
    model.graph.output[0].CopyFrom(helper.make_tensor_sequence_value_info("y", FLOAT, None))
    onnx.save(model, path)
    with pytest.raises(ArchspecError, match="gives sequence_type in 'y', and verify compares arrays alone"):
        verify_model(path)


def test_what_onnx_runtime_has_no_kernel_for_is_not_judged(tmp_path: Path) -> None:
    """It has one of Erf for float32 alone."""
    nodes = [make_node("Erf", ["x"], ["y"])]
    assert verify_model(save(tmp_path, nodes, {"x": [2, 4]}, {"y": [2, 4]})).passed
    with pytest.raises(
        ArchspecError, match=r"no kernel for that in this type.* sound to onnx's checker, and was not run"
    ):
        verify_model(save(tmp_path, nodes, {"x": [2, 4]}, {"y": [2, 4]}, kind=TensorProto.DOUBLE))


@pytest.mark.parametrize(
    ("kind", "reach"), [("Log", "between 0 and 1"), ("Sqrt", "between 0 and 1"), ("Acosh", "from 1 on")]
)
def test_what_has_values_in_one_reach_alone_is_noted(kind: str, reach: str, tmp_path: Path) -> None:
    found = verify_model(save(tmp_path, [make_node(kind, ["x"], ["y"])], {"x": ["N", 30]}, {"y": ["N", 30]}))
    assert found.passed, found.checks
    assert {check.status for check in found.checks if check.name.startswith("x ")} == {"noted"}
    assert f"finite for inputs {reach}; for standard normal ones" in row(found, "x 1 × 30").text
    assert "the batch agrees" in row(found, "batch").text


def test_what_has_no_values_at_all_fails(tmp_path: Path) -> None:
    nodes = [make_node("Sub", ["x", "x"], ["zero"]), make_node("Log", ["zero"], ["y"])]
    found = verify_model(save(tmp_path, nodes, {"x": ["N", 30]}, {"y": ["N", 30]}))
    assert not found.passed
    assert "no number of the output 'y' is finite: nothing is proven" in row(found, "compared").text


def test_a_run_that_made_up_numbers_end_is_no_verdict(tmp_path: Path) -> None:
    path = steer(tmp_path, make_node("Expand", ["x", "by"], ["y"]), [2, 3])
    with pytest.raises(ArchspecError, match="'by' may steer sizes or places, and only zeros can be made up for it"):
        verify_model(path)
