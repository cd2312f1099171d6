"""The row of a verification about what a model says of its answers and of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from compiler.onnx_file.metadata import CLASSES, EPOCH, TASK
from runtime.verification.checks import Check
from runtime.verification.model.facts import read_facts
from runtime.verification.model.inside import ModelInside
from runtime.verification.static.metadata_row import check_metadata
from tests.support.models import build_linear, save

NAMES = CLASSES.write(("a", "b", "c"))


def check(path: Path, said: Mapping[str, str]) -> list[Check]:
    """The rows for a linear layer of three outputs that says this."""
    save(build_linear(np.ones((3, 64), np.float32), np.zeros(3, np.float32), metadata=said), path)
    inside = ModelInside(path)
    return list(check_metadata(inside, read_facts(inside)))


def test_what_fits_is_named(tmp_path: Path) -> None:
    (row,) = check(tmp_path / "m.onnx", NAMES | TASK.write("labels"))
    assert (row.name, row.status, row.text) == ("metadata", "passed", "task, classes fit the inputs and outputs")


def test_a_file_that_says_nothing_of_it_has_no_row(tmp_path: Path) -> None:
    assert check(tmp_path / "m.onnx", {"other": "words"}) == []


def test_what_does_not_fit_fails(tmp_path: Path) -> None:
    (row,) = check(tmp_path / "m.onnx", CLASSES.write(("a", "b")))
    assert row.status == "failed"
    assert "2 names for 3 channels" in row.text


def test_weights_of_a_stopped_training_are_noted(tmp_path: Path) -> None:
    (row,) = check(tmp_path / "m.onnx", NAMES | EPOCH.write((1, 30)))
    assert row.status == "noted"
    assert row.text.endswith("weights after epoch 1 of 30: training was stopped")
