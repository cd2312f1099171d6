"""What a model says of its answers and of pictures is true of it, or no file is written, and none is verified."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

import archspec
from archspec.api import verify_model
from archspec.errors import ArchspecError
from compiler.graph import Graph
from compiler.onnx_file.metadata import CLASSES, EPOCH, PREPROCESS, STRIDE, TASK
from runtime.pictures.preprocess import Preprocess
from runtime.prediction.predict import predict
from runtime.prediction.task_spec import find_task_spec
from runtime.session.session import Session
from runtime.verification.static.metadata_fit import FORM, check_answers
from tests.support.documents import graph_from

GRAY = json.dumps({"channels": 1, "height": 8, "width": 8, "mean": [0.5], "std": [0.5]})
NAMES = json.dumps([f"c{number}" for number in range(5)])
SOUND: dict[str, str] = {TASK: "labels", CLASSES: NAMES, PREPROCESS: GRAY}


def build(channels: int = 1, height: int | str = "H") -> Graph:
    layers = [{"conv": 2}, "global_avg_pool", "flatten", {"linear": 5}]
    sizes = {"H": 8} if height == "H" else {}
    return graph_from({"archspec": 1, "inputs": {"x": [channels, height, 8]}, "sizes": sizes, "network": layers})


def write(path: Path, metadata: dict[str, str], graph: Graph | None = None) -> Path:
    graph = graph or build()
    archspec.to_onnx(graph, archspec.to_torch(graph).state_dict(), path, verify=False, metadata=metadata)
    return path


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({CLASSES: '["a"]'}, "'archspec.classes' have 1 name for 5 channels"),
        ({CLASSES: "a, b"}, "is not valid JSON"),
        ({CLASSES: '{"a": 0}'}, "must be a list of names"),
        ({TASK: "label"}, "'archspec.task': no task 'label'; did you mean 'labels'?"),
        ({TASK: "maps"}, "'archspec.task' say maps, and no output is an output with places: 'output' 5"),
        ({TASK: "joints"}, "say joints, and no output is a heatmap for each"),
        ({PREPROCESS: '{"mean": [0.5]}'}, f"preprocessing lacks the key 'channels'; the form is {FORM}"),
        ({PREPROCESS: GRAY.replace(": 1,", ": 3,")}, "'mean' needs 3 values, found 1"),
        ({PREPROCESS: FORM}, "make pictures 3×224×224, and 'x' takes 1×H×8"),
        ({STRIDE: "two"}, "is not valid JSON"),
        ({EPOCH: "soon"}, "must be as in '3 of 30', found 'soon'"),
    ],
)
def test_what_contradicts_the_network_is_refused_and_fails(
    metadata: dict[str, str], message: str, tmp_path: Path
) -> None:
    """The same of a file in which somebody else wrote it. The control says what is true."""
    said = SOUND | metadata
    with pytest.raises(ArchspecError) as error:
        write(tmp_path / "m.onnx", said)
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []
    model = onnx.load(write(tmp_path / "m.onnx", SOUND))
    assert verify_model(tmp_path / "m.onnx").passed
    kept = {item.key: item.value for item in model.metadata_props if item.key != "archspec.content"}
    onnx.helper.set_model_props(model, kept | said)
    onnx.save(model, tmp_path / "m.onnx")
    failed = [check for check in verify_model(tmp_path / "m.onnx").checks if check.status == "failed"]
    assert [check.name for check in failed] == ["metadata"]
    assert message in failed[0].text


def test_a_picture_has_a_size_that_the_network_takes(tmp_path: Path) -> None:
    write(tmp_path / "m.onnx", SOUND, build(height=8))
    with pytest.raises(ArchspecError, match="make pictures 1×8×8, and 'x' takes 1×16×8"):
        write(tmp_path / "m.onnx", SOUND, build(height=16))


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ArchspecError, match=r"no task 'a'.*is not valid JSON.*'3 of 30'"):
        check_answers({TASK: "a", PREPROCESS: "{", EPOCH: "1"}, {"x": ("N", 1)}, {"y": ("N", 5)})


def test_what_is_not_known_contradicts_nothing() -> None:
    """Outputs of files of others: of no shape, and of free extents."""
    for shape in (None, ("N", "classes")):
        check_answers({CLASSES: '["a"]', TASK: "labels"}, {"x": ("N", 3)}, {"y": shape})
    with pytest.raises(ArchspecError, match="1 name for 5 channels"):
        check_answers({CLASSES: '["a"]', TASK: "labels"}, {"x": ("N", 3)}, {"y": ("N", 5)})
    check_answers({CLASSES: '["a", "b"]', TASK: "maps"}, {"x": ("N", 3, 8, 8)}, {"y": ("N", 1, 8, 8)})
    check_answers({CLASSES: '["a", "b"]'}, {"x": ("N", 3)}, {"first": ("N", 2), "last": ("N", 7)})


def test_a_model_of_ones_own_weights_answers_for_pictures(tmp_path: Path) -> None:
    """With metadata of the documented form, as a picture that is prepared by hand is answered."""
    session = Session(write(tmp_path / "m.onnx", SOUND), providers=("cpu",))
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (answer,) = predict(session, [tmp_path / "a.png"])
    prepared = ((pixels / 255 - 0.5) / 0.5).astype(np.float32)[None, None]
    logits = session.run({"x": prepared})["output"][0]
    assert answer.to_dict()["label"] == f"c{logits.argmax()}"
    assert Preprocess.from_json(FORM).shape == (3, 224, 224)


def test_that_training_was_stopped_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "m.onnx", SOUND | {EPOCH: "1 of 30"})
    assert caplog.messages == ["weights after epoch 1 of 30: training was stopped"]
    found = verify_model(tmp_path / "m.onnx")
    (row,) = (check for check in found.checks if check.name == "metadata")
    assert (found.passed, row.status) == (True, "noted")
    assert row.text.endswith("; weights after epoch 1 of 30: training was stopped")
    caplog.clear()
    write(tmp_path / "m.onnx", SOUND)
    assert caplog.messages == []


def test_a_model_that_is_asked_for_another_task_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    graph = graph_from({"archspec": 1, "inputs": {"x": [1, 8, 8]}, "network": [{"conv": 5}]})
    session = Session(write(tmp_path / "m.onnx", {TASK: "maps", PREPROCESS: GRAY}, graph), providers=("cpu",))
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    find_task_spec(session, "maps")
    assert caplog.messages == []
    find_task_spec(session, "joints")
    assert caplog.messages == [f"{session.path} says that its task is maps, and is asked for joints"]
