"""A model that is changed in memory answers as changed, with weights wherever they lie, and its file stays."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from archspec.errors import RuntimeFailure
from runtime.session.model_file import ModelFile, WrittenError
from runtime.session.rewriting import rewrite_model
from runtime.session.session import Session
from runtime.session.start import FOLDER
from tests.support.models import build_model, save

X = np.arange(8, dtype=np.float32).reshape(2, 4)
WEIGHT = np.array([1, 2, 3, 4], np.float32)


def subtract(model: onnx.ModelProto) -> None:
    """x + w becomes x - w."""
    model.graph.node[0].op_type = "Sub"


def break_it(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "Nothing"


class Subtracted(Session):
    rewrites = (subtract,)


class Broken(Session):
    rewrites = (break_it,)


def build() -> onnx.ModelProto:
    node = helper.make_node("Add", ["x", "w"], ["y"])
    return build_model([node], {"x": ["N", 4]}, {"y": ["N", 4]}, {"w": WEIGHT})


def save_beside(folder: Path) -> Path:
    """With the weight in another file."""
    path = folder / "m.onnx"
    onnx.save(build(), path, save_as_external_data=True, location="m.data", size_threshold=0)
    return path


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("beside", [True, False])
def test_it_answers_as_changed_and_its_file_stays(beside: bool, mapped: bool, tmp_path: Path) -> None:
    path = save_beside(tmp_path) if beside else save(build(), tmp_path / "m.onnx")
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    plain = Session(path, providers=["cpu"], mapped=mapped)
    changed = Subtracted(path, providers=["cpu"], mapped=mapped)
    np.testing.assert_array_equal(plain.run(X)["y"], X + WEIGHT)
    np.testing.assert_array_equal(changed.run(X)["y"], X - WEIGHT)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_copy_of_a_session_has_the_change_too(tmp_path: Path) -> None:
    session = Subtracted(save(build(), tmp_path / "m.onnx"), providers=["cpu"])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(session)).run(X)["y"], X - WEIGHT)


def test_axes_are_fixed_beside(tmp_path: Path) -> None:
    node = helper.make_node("Add", ["x", "w"], ["y"])
    model = build_model([node], {"x": [None, 4]}, {"y": [None, 4]}, {"w": WEIGHT})
    session = Subtracted(save(model, tmp_path / "m.onnx"), providers=["cpu"], fixed={"x.0": 2})
    assert session.inputs == {"x": (2, 4)}
    np.testing.assert_array_equal(session.run(X)["y"], X - WEIGHT)


def test_the_entries_say_where_other_files_are(tmp_path: Path) -> None:
    _, entries = rewrite_model(ModelFile.open(save_beside(tmp_path)).check(), [subtract])
    assert entries == {FOLDER: os.path.realpath(tmp_path)}
    _, entries = rewrite_model(ModelFile.open(save(build(), tmp_path / "whole.onnx")).check(), [subtract])
    assert entries == {}


def test_another_file_in_its_place_is_noticed(tmp_path: Path) -> None:
    model = ModelFile.open(save(build(), tmp_path / "m.onnx"))
    rewrite_model(model, [])  # the control
    model.path.write_bytes(model.path.read_bytes() + b"\n\0")
    with pytest.raises(WrittenError):
        rewrite_model(model, [])


def test_what_it_becomes_is_explained_by_the_files_name(tmp_path: Path) -> None:
    path = save(build(), tmp_path / "m.onnx")
    with pytest.raises(RuntimeFailure, match=r"m\.onnx: ONNX Runtime cannot load it: .*Nothing"):
        Broken(path, providers=["cpu"])
