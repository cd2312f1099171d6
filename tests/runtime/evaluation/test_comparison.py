"""A run's network held against its file: right files pass, and files of other weights, outputs or classes do not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from archspec.api import load, to_onnx, train
from archspec.arrays import Array
from archspec.errors import ModelError
from compiler.onnx_file.metadata import EPOCH
from runtime.evaluation.comparison import Comparison, compare_answers
from runtime.recipes.recipe import Recipe
from runtime.session.session import Session
from runtime.training.module_outputs import evaluate_module
from runtime.training.run import Run
from tests.support.models import make_linear, save_module

LINEAR = {"archspec": 1, "name": "linear", "inputs": {"image": [1, 8, 8]}, "network": ["flatten", {"linear": 10}]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A linear classifier of digits that is right in most cases."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "linear.json").write_text(json.dumps(LINEAR), encoding="utf-8")
    train(load(folder / "linear.json"), "digits", Recipe(epochs=3, threads=1), folder=folder / "run")
    return Run.open(folder / "run")


def export(run: Run, path: Path, **changes: Array) -> Session:
    to_onnx(run.graph, dict(run.weights) | changes, path, verify=False)
    return Session(path, providers=["cpu"])


def compare(run: Run, session: Session) -> Comparison:
    return compare_answers(run, run.build_module(), session)


def test_a_file_of_the_runs_weights_answers_as_its_module(run: Run, tmp_path: Path) -> None:
    found = compare(run, export(run, tmp_path / "model.onnx"))
    logits = evaluate_module(run.build_module(), run.data.held_out)["output"]
    assert found.same_weights is True
    assert np.array_equal(found.answers, logits.argmax(1))
    assert found.equal == found.predictions == len(run.data.held_out) == 360
    accuracy = float((logits.argmax(1) == run.data.held_out.labels).mean())
    assert found.scores_torch == found.scores_onnx == {"accuracy": accuracy}
    ((absolute, relative),) = found.differences
    assert 0 <= relative < 1e-5
    assert relative == pytest.approx(absolute / np.abs(logits).max())


def test_a_file_of_other_weights_is_told(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    compare(run, export(run, tmp_path / "right.onnx"))
    assert caplog.messages == []  # the control
    turned = run.weights["linear_0.weight"][::-1].copy()
    found = compare(run, export(run, tmp_path / "model.onnx", **{"linear_0.weight": turned}))
    assert found.same_weights is False
    assert found.equal < 180
    assert found.scores_onnx["accuracy"] < 0.5 < found.scores_torch["accuracy"]
    assert found.differences[0][1] > 0.1
    (said,) = caplog.messages
    assert said.startswith(
        f"{tmp_path / 'model.onnx'} is of other weights than {run.folder / 'weights.safetensors'}; ex"
    )


def test_a_file_that_says_nothing_of_its_weights_is_neither(run: Run, tmp_path: Path) -> None:
    weight, bias = run.weights["linear_0.weight"], run.weights["linear_0.bias"]
    path = save_module(make_linear(), tmp_path / "model.onnx", weight=weight, bias=bias)
    found = compare(run, Session(path, providers=["cpu"]))
    assert found.same_weights is None
    assert found.equal == found.predictions


def test_a_training_that_did_not_end_is_told(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    session = export(run, tmp_path / "model.onnx")
    stopped = replace(run, metadata=dict(run.metadata) | EPOCH.write((1, 3)))
    assert compare(stopped, session).same_weights is True
    (said,) = caplog.messages
    assert said == f"{run.folder / 'weights.safetensors'}: weights after epoch 1 of 3: training was stopped"


def test_a_file_with_other_classes_is_refused(run: Run, tmp_path: Path) -> None:
    weight, bias = np.zeros((3, 64), np.float32), np.zeros(3, np.float32)
    path = save_module(make_linear(), tmp_path / "model.onnx", weight=weight, bias=bias)
    with pytest.raises(ModelError, match=r"gives \(3\) per image in '.*', the module \(10\)"):
        compare(run, Session(path, providers=["cpu"]))


def test_outputs_must_have_the_modules_names(run: Run, tmp_path: Path) -> None:
    network = ["flatten", {"linear": 10}, {"output": "a"}, {"linear": 10}, {"output": "b"}]
    other = LINEAR | {"network": network}
    (tmp_path / "two.json").write_text(json.dumps(other), encoding="utf-8")
    train(load(tmp_path / "two.json"), "digits", Recipe(epochs=1, threads=1), folder=tmp_path / "run")
    two = Run.open(tmp_path / "run")
    session = export(two, tmp_path / "model.onnx")
    assert compare(two, session).equal  # the control
    with pytest.raises(ModelError, match=r"model\.onnx gives a, b; the module output"):
        compare(run, session)
