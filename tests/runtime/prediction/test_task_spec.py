"""What a model is asked: what its metadata say, and what a user says instead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from archspec.errors import ArchspecError
from compiler.onnx_file.metadata import STRIDE
from runtime.prediction.predict import predict
from runtime.prediction.task_spec import find_task_spec
from runtime.session.session import Session
from runtime.tasks.joints import Pose
from tests.support.models import build_model, save
from tests.support.task_models import ask, open_model


def test_the_stride_in_the_metadata_is_that_of_the_last_output(tmp_path: Path) -> None:
    """The other output's positions, here of half the extents, are placed by those."""
    nodes = [
        helper.make_node("MaxPool", ["x"], ["half"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Neg", ["x"], ["whole"]),
    ]
    shapes: dict[str, list[int | str | None]] = {"half": ["N", 3, "h", "w"], "whole": ["N", 3, "H", "W"]}
    model = build_model(nodes, {"x": ["N", 3, "H", "W"]}, shapes, metadata={"archspec.stride": "1"})
    session = Session(save(model, tmp_path / "m.onnx"), providers=["cpu"])
    assert ask(session, "joints").stride == ask(session, "joints", "whole").stride == 1
    array = np.zeros((3, 8, 8), np.float32)
    array[:, 2:4, 6:8] = 1
    np.save(tmp_path / "x.npy", array)
    (found,) = predict(session, [tmp_path / "x.npy"], ask(session, "joints", "half"))
    assert isinstance(found, Pose)
    assert {(joint.x, joint.y) for joint in found.joints} == {(6.5, 2.5)}


@pytest.mark.parametrize(
    ("metadata", "words", "message"),
    [
        (
            {"archspec.task": "heatmaps"},
            (),
            r"no task 'heatmaps'; did you mean 'maps'\? \(available: labels",
        ),
        ({}, ("poses",), r"no task 'poses' \(available"),
        ({}, ("labels",), "does not say the names of its classes.*export it with weights that"),
        ({}, ("maps", "big"), r"has no output 'big' \(has: negative, small\)"),
        ({"archspec.task": "maps", "archspec.stride": "two"}, (), "metadata 'archspec.stride' of .* is not valid JSON"),
        ({"archspec.task": "maps", "archspec.stride": "0"}, (), "must be between 1 and 32768, found 0"),
        ({"archspec.task": "maps", "archspec.stride": "1.5"}, (), "must be an integer"),
        ({"archspec.task": "maps", "archspec.classes": "[]"}, (), "must be a list of names"),
    ],
)
def test_questions_that_cannot_be_asked(
    tmp_path: Path, metadata: dict[str, str], words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ArchspecError, match=message):
        find_task_spec(open_model(tmp_path, metadata), *words)


def test_no_stride_is_none() -> None:
    assert STRIDE.read({}, "x") is None
    assert STRIDE.read({"archspec.stride": "4"}, "x") == 4
