"""The command `tune`: what it prints, what it stores, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from runtime.tuning.store import read_entries
from tests.commands import archspec, refuse
from tests.runtime.models import build_linear, save


@pytest.fixture
def model(tmp_path: Path) -> Path:
    weight = np.random.default_rng(0).standard_normal((10, 64)).astype(np.float32)
    return save(build_linear(weight, np.zeros(10, np.float32)), tmp_path / "m.onnx")


def test_tune_prints_what_it_stored(model: Path) -> None:
    said = archspec("tune", model, "--seconds", "1", "--provider", "cpu", "--batch", "3")
    assert "default settings: " in said
    assert "ms a run; N 3; " in said
    (entry, *_) = read_entries(model)
    stored = " ".join(said.split())
    assert f"stored in {model}.tune.json, at any size: {entry.settings}" in stored
    assert f"next: archspec bench {model}" in stored


def test_a_dry_run_stores_nothing(model: Path) -> None:
    row = archspec("tune", model, "--seconds", "1", "--provider", "cpu", "--dry-run", "--json")
    assert not row["stored"]
    assert read_entries(model) == ()
    assert row["provider"] == "cpu"
    assert set(row["sizes"]) == {"N"}
    assert {trial["verdict"] for trial in row["finals"]} <= {"taken", "no faster"}
    assert row["entries"]


def test_what_is_wrong_is_said(model: Path) -> None:
    refuse("nowhere.onnx does not exist", "tune", "nowhere.onnx")
    refuse("has no free size 'D'", "tune", model, "--size", "D=3")
    refuse("no provider 'cudda'; did you mean 'cuda'", "tune", model, "--provider", "cudda")
    Path(f"{model}.tune.json").write_text("[", encoding="utf-8")
    refuse("m.onnx.tune.json is not valid JSON", "tune", model, "--seconds", "1", "--provider", "cpu")
