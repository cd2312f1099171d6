"""Rows may change places among equal scores, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from archspec.api import verify_model
from archspec.arrays import Array
from archspec.errors import ArchspecError
from runtime.verification.differences import LIMITS
from runtime.verification.model.inside import ModelInside
from runtime.verification.runs.score_ties import compare_choices
from runtime.verification.witness.comparator import Comparator

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
NEAR = Comparator(LIMITS["float32"], "float32")


def save(folder: Path, nodes: list[onnx.NodeProto], weights: dict[str, Array], outputs: dict[str, int]) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", FLOAT, ["N", 8])],
        [helper.make_tensor_value_info(name, kind, [None] * 2) for name, kind in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    path = folder / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def choose(folder: Path, factor: float) -> Path:
    """The two best of eight scores, x · factor, and the x at their places."""
    nodes = [
        helper.make_node("Mul", ["x", "factor"], ["scores"]),
        helper.make_node("TopK", ["scores", "two"], ["best", "places"], name="top"),
        helper.make_node("GatherElements", ["x", "places"], ["y"], axis=1),
    ]
    weights = {"factor": np.array(factor, np.float32), "two": np.array([2])}
    return save(folder, nodes, weights, {"y": FLOAT, "places": INT64})


def swap(outputs: dict[str, Array]) -> dict[str, Array]:
    """The same rows in another order."""
    return {name: np.ascontiguousarray(array[:, ::-1]) for name, array in outputs.items()}


def answer(inside: ModelInside, swapped: set[str]) -> Any:
    """ONNX Runtime as it would be if, without its optimizations, it took the other of equal scores."""
    own = inside.read

    def read(names: Any, feed: Any, *, optimized: bool = True, given: Any = None) -> dict[str, Array]:
        found = own(names, feed, optimized=optimized, given=given or {})
        followers = set() if given else {"y", "places", "best"} & swapped
        return found if optimized else found | swap({name: found[name] for name in followers & found.keys()})

    return read


@pytest.mark.parametrize(("factor", "tied"), [(0.0, True), (1.0, False)])
def test_rows_change_places_among_equal_scores_alone(
    factor: float, tied: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = ModelInside(choose(tmp_path, factor))
    feed = {"x": np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32)}
    found = inside.read(["y", "places"], feed)
    monkeypatch.setattr(inside, "read", answer(inside, {"y", "places", "best"}))
    with pytest.raises(ArchspecError):
        NEAR.compare(found, ("another", inside.read(["y", "places"], feed, optimized=False)))
    if tied:
        said = compare_choices(inside, feed, found, NEAR)
        assert said.startswith("rows change places among equal scores of top (TopK)")
    else:
        with pytest.raises(ArchspecError, match=r"top \(TopK\)"):
            compare_choices(inside, feed, found, NEAR)


def test_what_follows_a_choice_has_to_agree(tmp_path: Path) -> None:
    inside = ModelInside(choose(tmp_path, 0.0))
    feed = {"x": np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32)}
    found = inside.read(["y", "places"], feed)
    with pytest.raises(ArchspecError, match="differs from itself"):
        compare_choices(inside, feed, found | {"y": found["y"] + 1}, NEAR)
    with pytest.raises(ArchspecError, match="both take the same of equal scores"):
        compare_choices(inside, feed, found, NEAR)


def test_a_file_that_does_not_choose_has_no_ties(tmp_path: Path) -> None:
    inside = ModelInside(save(tmp_path, [helper.make_node("Relu", ["x"], ["y"])], {}, {"y": FLOAT}))
    feed = {"x": np.ones((1, 8), np.float32)}
    with pytest.raises(ArchspecError, match="does not choose by scores"):
        compare_choices(inside, feed, inside.read(["y"], feed), NEAR)


def boxes(folder: Path, scores: list[float]) -> Path:
    """Four boxes apart from each other, whose scores are stored; x adds nothing."""
    corners = np.array([[[i, i, i + 0.5, i + 0.5] for i in range(4)]], np.float32)
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "nothing"], ["zero"]),
        helper.make_node("Add", ["corners", "zero"], ["boxes"]),
        helper.make_node("Add", ["stored", "zero"], ["scores"]),
        helper.make_node("NonMaxSuppression", ["boxes", "scores", "most", "share"], ["kept"], name="nms"),
    ]
    weights = {
        "corners": corners,
        "stored": np.array([[scores]], np.float32),
        "nothing": np.array(0, np.float32),
        "most": np.array([3]),
        "share": np.array([0.5], np.float32),
    }
    return save(folder, nodes, weights, {"kept": INT64})


@pytest.mark.parametrize(("scores", "tied"), [([0.5, 0.5, 0.5, 0.1], True), ([0.9, 0.5, 0.4, 0.1], False)])
def test_boxes_of_equal_scores_change_places(
    scores: list[float], tied: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = ModelInside(boxes(tmp_path, scores))
    feed = {"x": np.ones((1, 8), np.float32)}
    found = inside.read(["kept"], feed)
    own = inside.read

    def read(names: Any, feed: Any, *, optimized: bool = True, given: Any = None) -> dict[str, Array]:
        values = own(names, feed, optimized=optimized, given=given or {})
        return values if optimized else values | {name: values[name][::-1] for name in {"kept"} & values.keys()}

    monkeypatch.setattr(inside, "read", read)
    if tied:
        assert "equal scores of nms" in compare_choices(inside, feed, found, NEAR)
    else:
        with pytest.raises(ArchspecError, match="nms"):
            compare_choices(inside, feed, found, NEAR)


@pytest.mark.parametrize(("factor", "status"), [(0.0, "noted"), (1.0, "failed")])
def test_a_verification_says_so(factor: float, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = choose(tmp_path, factor)
    inside = ModelInside(path)
    read = answer(inside, {"y", "places", "best"})
    monkeypatch.setattr("runtime.verification.witness.witness.MAX_MACS", -1)
    monkeypatch.setattr(ModelInside, "read", lambda self, *given, **options: read(*given, **options))
    found = verify_model(path)
    row = next(check for check in found.checks if check.name.startswith("x "))
    assert (row.status, found.passed) == (status, status == "noted")
