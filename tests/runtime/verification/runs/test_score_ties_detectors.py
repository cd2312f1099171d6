"""Detectors, as other programs write them: sound ones are verified, also where scores are equal; wrong ones are not.

Scores stand there twice, each time summed in another order, so that rounding decides which of two boxes comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from archspec.api import verify_model
from archspec.arrays import Array
from runtime.session.session import Session
from runtime.verification.checks import Check
from runtime.verification.report import Verification

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
CHANNELS, SIDE = 64, 8
make_node = helper.make_node


def draw_weights() -> dict[str, Array]:
    random = np.random.default_rng(0)
    scores = (0.1 * random.standard_normal((1, CHANNELS, 3, 3))).astype(np.float32)
    boxes = (0.05 * random.standard_normal((4, CHANNELS, 3, 3))).astype(np.float32)
    return {
        "order": np.arange(CHANNELS)[::-1].copy(),
        "weight": scores,
        "turned": np.ascontiguousarray(scores[:, ::-1]),
        "corners": boxes,
        "row": np.array([1, 1, -1]),
        "rows": np.array([1, 4, -1]),
        "parts": np.array([2, 2]),
        "half": np.array(0.5, np.float32),
        "wider": np.array(1.5, np.float32),
        "most": np.array([12]),
        "overlap": np.array([0.9], np.float32),
        "least": np.array([-1e3], np.float32),
        "first": np.array([0]),
        "last": np.array(2),
        "edge": np.array(1, np.float32),
        "none": np.array(0),
        "yes": np.array(True),
    }


SCORES = [
    make_node("Conv", ["x", "weight"], ["s1"], pads=[1] * 4),
    make_node("Gather", ["x", "order"], ["x turned"], axis=1),
    make_node("Conv", ["x turned", "turned"], ["s2"], pads=[1] * 4),
]
BOXES = [
    make_node("Reshape", ["s1", "row"], ["a1"]),
    make_node("Reshape", ["s2", "row"], ["a2"]),
    make_node("Concat", ["a1", "a2"], ["scores"], axis=2),
    make_node("Conv", ["x", "corners"], ["c"], pads=[1] * 4),
    make_node("Reshape", ["c", "rows"], ["flat"]),
    make_node("Transpose", ["flat"], ["cells"], perm=[0, 2, 1]),
    make_node("Split", ["cells", "parts"], ["centre", "logs"], axis=2),
    make_node("Exp", ["logs"], ["extents"]),
    make_node("Mul", ["extents", "half"], ["halves"]),
    make_node("Sub", ["centre", "halves"], ["low"]),
    make_node("Add", ["centre", "halves"], ["high"]),
    make_node("Concat", ["low", "high"], ["b1"], axis=2),
    make_node("Mul", ["b1", "wider"], ["b2"]),
    make_node("Concat", ["b1", "b2"], ["boxes"], axis=1),
    make_node("Squeeze", ["boxes", "first"], ["table"]),
]
SUPPRESSED = [
    make_node("NonMaxSuppression", ["boxes", "scores", "most", "overlap", "least"], ["kept"], name="choose"),
    make_node("Gather", ["kept", "last"], ["places"], axis=1),
    make_node("Gather", ["table", "places"], ["found"], axis=0),
]
TOP = [
    make_node("TopK", ["scores", "most"], ["best", "all places"], axis=2, name="choose"),
    make_node("Reshape", ["all places", "minus"], ["places"]),
    make_node("Gather", ["table", "places"], ["found"], axis=0),
]


def value(name: str, kind: int, shape: Sequence[int | str] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def clip_each() -> list[onnx.NodeProto]:
    """The boxes one by one, in a loop, and a box of zeros where there are none."""
    body = helper.make_graph(
        [
            make_node("Gather", ["found", "i"], ["box"], axis=0),
            make_node("Min", ["box", "edge"], ["cut"]),
            make_node("Identity", ["go"], ["on"]),
        ],
        "body",
        [value("i", INT64, []), value("go", TensorProto.BOOL, [])],
        [value("on", TensorProto.BOOL, []), value("cut", FLOAT, [4])],
    )
    zeros = numpy_helper.from_array(np.zeros((1, 4), np.float32), "zeros")
    some, nil = make_node("Identity", ["cuts"], ["some"]), make_node("Constant", [], ["nil"], value=zeros)
    branches = {
        f"{branch}_branch": helper.make_graph([node], branch, [], [value(node.output[0], FLOAT, None)])
        for branch, node in (("then", some), ("else", nil))
    }
    return [
        make_node("Size", ["places"], ["count"]),
        make_node("Loop", ["count", "yes"], ["cuts"], body=body),
        make_node("Greater", ["count", "none"], ["any"]),
        make_node("If", ["any"], ["detections"], **branches),
    ]


def save(folder: Path, choice: Sequence[onnx.NodeProto], factor: float = 1.0) -> Path:
    """`factor` is how wrong one number of the boxes' weights is."""
    weights = draw_weights() | {"minus": np.array([-1])}
    weights["corners"].flat[np.argmax(np.abs(weights["corners"]))] *= factor
    graph = helper.make_graph(
        [*SCORES, *BOXES, *choice, *clip_each()],
        "detector",
        [value("x", FLOAT, [1, CHANNELS, SIDE, SIDE])],
        [value("detections", FLOAT, ["boxes", 4])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return write(folder, graph)


def write(folder: Path, graph: onnx.GraphProto) -> Path:
    folder.mkdir(exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "m.onnx")
    return folder / "m.onnx"


def row(found: Verification) -> Check:
    return next(check for check in found.checks if check.name.startswith("x 1 ×"))


def contradict(path: Path, name: str) -> bool:
    """Whether ONNX Runtime and the reference implementation part at these inputs."""
    x = np.random.default_rng(0).standard_normal((1, CHANNELS, SIDE, SIDE), dtype=np.float32)
    mine = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run([name], {"x": x})[0]
    (theirs,) = ReferenceEvaluator(onnx.load(path)).run([name], {"x": x})
    return not np.allclose(mine, np.asarray(theirs), atol=1e-3)


@pytest.mark.parametrize("choice", [SUPPRESSED, TOP], ids=["suppressed", "top"])
def test_a_detector_is_verified_and_a_changed_number_is_found(
    choice: Sequence[onnx.NodeProto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a session reads differs from the file in one number."""
    path = save(tmp_path, choice)
    assert contradict(path, "detections")
    found = verify_model(path)
    assert found.passed, found.checks
    assert row(found).status == "noted"
    assert "rows change places among equal scores of choose" in row(found).text
    wrong = save(tmp_path / "wrong", choice, 1.1)
    session = Session(wrong, providers=["cpu"], as_written=True)
    monkeypatch.setattr("runtime.verification.runs.runs.open_runnable", lambda *_: session)
    found = verify_model(path)
    assert (found.passed, row(found).status) == (False, "failed")


def take_best(kind: str, **options: Any) -> list[onnx.NodeProto]:
    joined = make_node("Concat", ["s1", "s2"], ["both"], axis=1)
    return [*SCORES, joined, make_node(kind, ["both"], ["y"], name="choose", axis=1, **options)]


def pool_best() -> list[onnx.NodeProto]:
    """The two of each score lie side by side."""
    joined = make_node("Concat", ["s1", "s2"], ["both"], axis=2)
    pool = make_node("MaxPool", ["both"], ["best", "y"], name="choose", kernel_shape=[SIDE + 1, 1], storage_order=0)
    return [*SCORES, joined, pool]


BEST = [take_best("ArgMax"), take_best("ArgMin", keepdims=0), take_best("ArgMax", select_last_index=1), pool_best()]


@pytest.mark.parametrize("nodes", BEST, ids=["ArgMax", "ArgMin", "last", "MaxPool"])
def test_the_best_of_equal_scores_may_stand_at_either_place(
    nodes: list[onnx.NodeProto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save_labels(folder: Path, factor: float) -> Path:
        weights = draw_weights()
        weights["turned"] *= np.float32(factor)
        ends = value("x", FLOAT, [1, CHANNELS, SIDE, SIDE]), value("y", INT64, None)
        stored = [numpy_helper.from_array(array, name) for name, array in weights.items()]
        return write(folder, helper.make_graph(nodes, "labels", ends[:1], ends[1:], stored))

    path = save_labels(tmp_path, 1.0)
    assert contradict(path, "y")
    found = verify_model(path)
    assert found.passed, found.checks
    assert "rows change places among equal scores of choose" in row(found).text
    wrong = save_labels(tmp_path / "wrong", 1.1)
    session = Session(wrong, providers=["cpu"], as_written=True)
    monkeypatch.setattr("runtime.verification.runs.runs.open_runnable", lambda *_: session)
    found = verify_model(path)
    assert (found.passed, row(found).status) == (False, "failed")
