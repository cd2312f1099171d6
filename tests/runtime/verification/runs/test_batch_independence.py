"""A sample has the same answer whatever else is in its batch, where an axis is one of samples without a doubt."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from archspec.api import verify_model
from tests.support.verification import make_node, row, save

RELU = [make_node("Relu", ["x"], ["y"])]


CENTRED = [make_node("ReduceMean", ["x"], ["mean"], axes=[0]), make_node("Sub", ["x", "mean"], ["y"])]


@pytest.mark.parametrize(
    ("nodes", "axis", "status"),
    [
        (RELU, "N", "passed"),
        (RELU, "time", "passed"),
        (RELU, 4, "passed"),
        (RELU, 1, "noted"),
        (CENTRED, "N", "noted"),
        (CENTRED, "batch_size", "failed"),
        (CENTRED, "time", "noted"),
        (CENTRED, None, "noted"),
        (CENTRED, 4, "noted"),
    ],
)
def test_a_sample_has_the_same_answer_alone(
    nodes: list[onnx.NodeProto], axis: int | str | None, status: str, tmp_path: Path
) -> None:
    """A time, or channels, come first in some sound files, and their answers hang together."""
    found = verify_model(save(tmp_path, nodes, {"x": [axis, 3]}, {"y": [axis, 3]}))
    batch = row(found, "batch")
    assert (batch.status, found.passed) == (status, status != "failed")
    if nodes is CENTRED:
        assert "depend on what else is" in batch.text


@pytest.mark.parametrize("axis", ["N", "batch"])
def test_an_axis_that_stands_twice_is_none_of_samples(axis: str, tmp_path: Path) -> None:
    """A table of similarities has as many columns as samples."""
    nodes = [make_node("Transpose", ["x"], ["t"]), make_node("MatMul", ["x", "t"], ["y"])]
    found = verify_model(save(tmp_path, nodes, {"x": [axis, 4]}, {"y": [axis, axis]}))
    assert (row(found, "batch").status, found.passed) == ("noted", True)
    assert (
        f"not looked at: the first axis of the inputs, {axis}, is another axis of 'y' too" in row(found, "batch").text
    )
    nodes = [make_node("MatMul", ["x", "z"], ["y"])]
    found = verify_model(save(tmp_path, nodes, {"x": [axis, 4], "z": [4, axis]}, {"y": [axis, None]}))
    assert (row(found, "batch").status, found.passed) == ("noted", True)
    alone = verify_model(save(tmp_path, CENTRED, {"x": ["batch", 4]}, {"y": ["batch", 4]}))
    assert (row(alone, "batch").status, alone.passed) == ("failed", False)


def test_which_axis_is_the_batch_may_not_be_said(tmp_path: Path) -> None:
    found = verify_model(
        save(tmp_path, [make_node("Add", ["x", "w"], ["y"])], {"x": ["N", 4], "w": ["K", 4]}, {"y": ["N", 4]})
    )
    assert row(found, "batch").status == "noted"
    assert "first axes are N of x, K of w" in row(found, "batch").text
