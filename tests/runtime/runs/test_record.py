"""Runs are read from their folders, whole or cut off."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.errors import InputError
from runtime.runs.record import RunRecord, find_runs
from tests.support.recorded_runs import format_run, write_run

WHOLE = format_run().encode()


def test_the_figures_are_those_of_the_end(tmp_path: Path) -> None:
    run = RunRecord.read(write_run(tmp_path / "run"))
    best = run.best_evaluation()
    assert best is not None
    assert (run.spec, run.metric, run.finished, run.last_step, run.seconds) == ("small", "accuracy", True, 30, 15.0)
    assert (run.score("test"), best["step"]) == (0.75, 20)
    assert run.score("validation") == pytest.approx(0.8)


def test_a_run_that_goes_on_has_no_test_score(tmp_path: Path) -> None:
    run = RunRecord.read(write_run(tmp_path / "run", end=False))
    assert (run.finished, run.score("test")) == (False, None)
    assert run.score("validation") == pytest.approx(0.8)
    assert run.seconds == 15.0


def test_the_main_score_may_have_underscores(tmp_path: Path) -> None:
    assert RunRecord.read(write_run(tmp_path / "run", metric="mean_iou")).metric == "mean_iou"


def test_where_nothing_is_chosen_the_last_evaluation_counts(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", end=False)
    text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    for chosen in ("true", "false"):
        text = text.replace(f'"best": {chosen}', '"best": null')
    (folder / "metrics.jsonl").write_text(text, encoding="utf-8")
    run = RunRecord.read(folder)
    assert run.best_evaluation() is None
    assert run.score("validation") == pytest.approx(0.7), "that of the last one, which was not the best"


@settings(max_examples=40)
@given(st.integers(0, len(WHOLE)))
def test_metrics_that_are_cut_are_read_as_far_as_they_go(cut: int) -> None:
    """Wherever a kill cuts the file, no line that is whole is lost."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "metrics.jsonl").write_bytes(WHOLE[:cut])
        run = RunRecord.read(folder)
    complete = WHOLE[:cut].count(b"\n")
    assert complete <= len(run.steps) + len(run.evaluations) + (run.end is not None) <= complete + 1


@pytest.mark.parametrize(
    "line",
    [
        *("{", "[]", "null", '{"step": "a"}', '{"step": true, "kind": "step"}', '{"kind": "step"}', '{"step": NaN}'),
        *('{"step": -5, "kind": "end"}', '{"step": 1' + "0" * 400 + ', "kind": "end"}'),
        '{"step": 31, "kind": "end", "test_accuracy": 1' + "0" * 400 + "}",
    ],
    ids=lambda line: line[:40],
)
def test_lines_that_are_no_rows_are_passed_over_and_counted(tmp_path: Path, line: str) -> None:
    folder = write_run(tmp_path / "run")
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    run = RunRecord.read(folder)
    assert (run.broken_lines, len(run.steps)) == (1, 30)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        RunRecord.read(tmp_path)
    (tmp_path / "metrics.jsonl").write_bytes(b"\xff\xfe\n")
    assert RunRecord.read(tmp_path).broken_lines == 1, "one damaged file hides no other run"


def test_runs_are_found_below_a_folder(tmp_path: Path) -> None:
    wanted = [write_run(tmp_path / "a" / "one"), write_run(tmp_path / "two")]
    write_run(tmp_path / ".hidden")
    assert find_runs([tmp_path, tmp_path / "two"]) == wanted
    with pytest.raises(InputError, match="is no folder"):
        find_runs([tmp_path / "none"])
