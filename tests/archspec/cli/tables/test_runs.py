"""The tables of runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.cli.tables.runs import print_comparison, print_runs
from runtime.runs.comparison import compare_runs
from runtime.runs.record import RunRecord
from tests.support.recorded_runs import write_run


def test_lines_that_cannot_be_read_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "run")
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write("{\n")
    print_runs([RunRecord.read(folder)])
    assert f"passed over: {folder} (1)" in capsys.readouterr().out


def test_runs_of_other_scores_and_equal_recipes_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [RunRecord.read(write_run(tmp_path / metric, metric=metric)) for metric in ("accuracy", "pck")]
    print_comparison(compare_runs(runs))
    said = capsys.readouterr().out
    assert "different scores, which do not compare" in said
    assert "their settings are the same" in said
