"""Runs side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archspec.errors import InputError
from runtime.runs.comparison import compare_runs
from runtime.runs.record import RunRecord
from tests.support.recorded_runs import write_run


def test_only_settings_that_differ_are_told(tmp_path: Path) -> None:
    runs = [RunRecord.read(write_run(tmp_path / name, rate=rate)) for name, rate in (("a", 0.1), ("b", 0.2))]
    found = compare_runs(runs)
    assert dict(found.differences) == {"optimizer.lr": (0.1, 0.2)}
    assert found.same_metric
    assert [row["run"] for row in found.to_dict()["runs"]] == [str(tmp_path / "a"), str(tmp_path / "b")]


def test_a_setting_that_one_lacks_is_a_difference(tmp_path: Path) -> None:
    """Unless it is off in the others; what is off in one and on in another is the control."""
    texts = {"a": "steps: 9\nema: null\ncompile: false\n", "b": "", "c": "compile: true\n"}
    runs = []
    for name, text in texts.items():
        run = write_run(tmp_path / name)
        (run / "recipe.yaml").write_text(f"recipe: 1\n{text}", encoding="utf-8")
        runs.append(RunRecord.read(run))
    assert compare_runs(runs[:2]).to_dict()["differences"] == {"steps": [9, None]}
    assert compare_runs(runs[::2]).differences == {"steps": (9, "—"), "compile": (False, True)}
    assert compare_runs(runs[1:]).differences == {"compile": ("—", True)}


def test_data_weights_and_integers_are_told_apart(tmp_path: Path) -> None:
    """By what the list of checkpoints says, and of another's name than the recipe's own sections; a list that is broken
    says nothing."""
    runs = [write_run(tmp_path / name) for name in "abc"]
    for run, name in zip(runs, ("digits", "mnist"), strict=False):
        settings = {"recipe": {"x": name}, "data": {"train": 9}, "origin": {"data": name, "init": None}, "network": "n"}
        (run / "checkpoints").mkdir()
        more = {"quantize": "u8s8", "reduce_range": False} if name == "mnist" else {}
        text = json.dumps({"settings": settings | more})
        (run / "checkpoints" / "manifest.json").write_text(text, encoding="utf-8")
    found = compare_runs([RunRecord.read(run) for run in runs[:2]]).differences
    assert found == {"origin.data": ("digits", "mnist"), "quantize": ("—", "u8s8")}
    (runs[2] / "checkpoints").mkdir()
    (runs[2] / "checkpoints" / "manifest.json").write_text('{"settings": [', encoding="utf-8")
    assert compare_runs([RunRecord.read(run) for run in runs[1:]]).differences["dataset.train"] == (9, "—")


def test_runs_of_other_scores_do_not_compare(tmp_path: Path) -> None:
    runs = [RunRecord.read(write_run(tmp_path / metric, metric=metric)) for metric in ("accuracy", "mean_iou")]
    assert not compare_runs(runs).same_metric


def test_one_run_is_no_comparison(tmp_path: Path) -> None:
    run = RunRecord.read(write_run(tmp_path / "a"))
    with pytest.raises(InputError, match="two runs or more"):
        compare_runs([run])
    with pytest.raises(InputError, match="named twice"):
        compare_runs([run, run])
