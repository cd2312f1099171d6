"""A file that makes more numbers than fit is refused before it runs, and no other is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from archspec.api import verify_model
from runtime.verification.checks import UnansweredError
from runtime.verification.model.inside import ModelInside
from runtime.verification.runs import value_sizes
from runtime.verification.runs.value_sizes import check_extents
from tests.support.models import build_model, save

make_node = helper.make_node
HUGE = np.array([1 << 15, 1 << 15], np.int64)
FILL = make_node("ConstantOfShape", ["shape"], ["c"], name="fill")
ADD = make_node("ReduceMax", ["c"], ["m"], keepdims=0), make_node("Add", ["x", "m"], ["y"])
BRANCH = helper.make_graph([FILL, ADD[0]], "then", [], [helper.make_tensor_value_info("m", TensorProto.FLOAT, [])])
ELSE = helper.make_graph(
    [make_node("ReduceMax", ["x"], ["e"], keepdims=0)], "else", [], [helper.make_tensor_value_info("e", 1, [])]
)
BRANCHES = [
    make_node("ReduceMax", ["x"], ["top"], keepdims=0),
    make_node("Cast", ["top"], ["go"], to=TensorProto.BOOL),
    make_node("If", ["go"], ["m"], then_branch=BRANCH, else_branch=ELSE),
]
SPREAD = [make_node("Expand", ["x", "shape"], ["c"], name="spread"), *ADD]


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ([FILL, *ADD], r"fill \(ConstantOfShape\) would make 1,073,741,824 numbers \(32768×32768\)"),
        ([*BRANCHES, ADD[1]], r"fill \(ConstantOfShape\)"),
        (SPREAD, r"spread \(Expand\)"),
        ([make_node("Tile", ["x", "shape"], ["c"], name="tile"), *ADD], r"tile \(Tile\)"),
    ],
    ids=["constant", "branch", "expand", "tile"],
)
def test_a_value_that_is_too_large_gives_no_verdict(nodes: list[Any], told: str, tmp_path: Path) -> None:
    ends = {"x": [1, 1]}, {"y": [1, 1]}
    path = save(build_model(nodes, *ends, {"shape": HUGE}), tmp_path / "m.onnx")
    with pytest.raises(UnansweredError, match=told):
        verify_model(path)
    small = save(build_model(nodes, *ends, {"shape": np.array([3, 5], np.int64)}), tmp_path / "s.onnx")
    assert verify_model(small).passed


def test_a_value_that_is_too_large_for_these_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [make_node("Transpose", ["x"], ["t"]), make_node("MatMul", ["t", "x"], ["y"], name="table")]
    path = save(build_model(nodes, {"x": [1, "n"]}, {"y": [7, 7]}), tmp_path / "m.onnx")  # which is a lie
    inside = ModelInside(path)
    monkeypatch.setattr(value_sizes, "MAX_NUMBERS", 100)
    check_extents(inside)
    for size in (10, 11):
        feed = {"x": np.ones((1, size), np.float32)}
        made = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feed)[0]
        if np.asarray(made).size <= 100:
            check_extents(inside, feed)
        else:
            with pytest.raises(UnansweredError, match=r"table \(MatMul\) would make 121 numbers \(11×11\)"):
                check_extents(inside, feed)


def test_what_onnx_cannot_follow_is_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(build_model([FILL, *ADD], {"x": [1, 1]}, {"y": [1, 1]}, {"shape": HUGE}), tmp_path / "m.onnx")

    def fail(model: onnx.ModelProto, **options: object) -> onnx.ModelProto:
        raise onnx.shape_inference.InferenceError("no")

    monkeypatch.setattr(value_sizes, "infer_shapes", fail)
    check_extents(ModelInside(path))
