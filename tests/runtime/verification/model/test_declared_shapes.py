"""What a file declares of its outputs' shapes is true of each run, or said to be a lie."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from archspec.api import verify_model
from runtime.session.session import Session
from tests.support.verification import FLOAT, Extents, make_node, row, save, steer

RELU = [make_node("Relu", ["x"], ["y"])]


FLATTENED = [make_node("Reshape", ["x", "all"], ["a"]), make_node("ReduceMean", ["a"], ["y"], axes=[1])]


DOUBLED = [make_node("Concat", ["x", "x"], ["y"], axis=1)]


@pytest.mark.parametrize(
    ("nodes", "declared", "told"),
    [
        (RELU, ["N", 4], None),
        (RELU, ["samples", 4], None),
        (RELU, [None, None], None),
        (RELU, [-1, 4], None),  # to ONNX Runtime an extent that is free
        (DOUBLED, ["N", 8], None),
        (RELU, [1, 4], r"'y' is \(3, 4\), declared as \(1, 4\) where N is 3 in the input 'x'"),
        (RELU, ["N", "N"], r"'y' is \(1, 4\), declared as \(N, N\)"),
        (FLATTENED, ["N", 1], r"'y' is \(1, 1\), declared as \(N, 1\) where N is 3"),
        (DOUBLED, ["N", "N"], r"'y' is \(1, 8\), declared as \(N, N\)"),
    ],
)
def test_declared_shapes_hold(nodes: list[onnx.NodeProto], declared: Extents, told: str | None, tmp_path: Path) -> None:
    path = save(tmp_path, nodes, {"x": ["N", 4]}, {"y": declared}, {"all": np.array([1, -1])})
    found = verify_model(path)
    shapes = row(found, "shapes")
    assert shapes.status == ("failed" if told else "passed")
    assert found.passed == (told is None)
    if told:
        assert re.search(told, shapes.text), shapes.text


def test_names_are_alike_in_one_run(tmp_path: Path) -> None:
    """Two outputs that name an extent alike, and have not the same."""
    nodes = [*RELU, make_node("Concat", ["x", "x"], ["z"], axis=1)]
    lying = verify_model(save(tmp_path, nodes, {"x": ["N", 4]}, {"y": ["N", "K"], "z": ["N", "K"]}))
    assert row(lying, "shapes").status == "failed"
    assert "K is 4 in the output 'y'" in row(lying, "shapes").text
    assert verify_model(save(tmp_path, nodes, {"x": ["N", 4]}, {"y": ["N", "K"], "z": ["N", "L"]})).passed


@pytest.mark.parametrize(("declared", "passed"), [(["N", 4], True), (["N", 5], False)])
def test_an_output_may_be_declared_twice(declared: Extents, passed: bool, tmp_path: Path) -> None:
    """And each time has to be true."""
    path = save(tmp_path, RELU, {"x": ["N", 4]}, {"y": declared})
    model = onnx.load(path)
    model.graph.output.append(helper.make_tensor_value_info("y", FLOAT, ["N", 4]))
    onnx.save(model, path)
    assert list(Session(path, providers=["cpu"]).run(np.ones((2, 4), np.float32))) == ["y"]
    found = verify_model(path)
    assert (found.passed, row(found, "x 3 × 4").status) == (passed, "passed")
    assert row(found, "shapes").status == ("passed" if passed else "failed")


def test_shapes_that_made_up_numbers_steer_are_no_lies(tmp_path: Path) -> None:
    found = verify_model(steer(tmp_path, make_node("Tile", ["x", "by"], ["y"]), [4, 6]))
    assert found.passed, found.checks
    assert row(found, "shapes").status == "noted"
    assert "but 'by' was made up of zeros" in row(found, "shapes").text
