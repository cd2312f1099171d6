"""The commands on runs: a list, and a comparison as table and picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import archspec, refuse
from tests.support.recorded_runs import write_run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "runs" / "plain", rate=0.1)
    write_run(tmp_path / "runs" / "residual", rate=0.2, end=False)
    return tmp_path


def test_runs_are_listed_with_their_figures(folder: Path) -> None:
    text = archspec("runs")
    assert all(word in text for word in ("runs/plain", "runs/residual", "finished", "stopped", "0.7500", "0.8000"))
    rows = archspec("runs", "--json")
    assert [(row["run"], row["finished"], row["test"]) for row in rows] == [
        ("runs/plain", True, 0.75),
        ("runs/residual", False, None),
    ]


def test_no_folder_of_runs_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refuse("there is no folder runs/ here", "runs")
    refuse("is no folder", "runs", "--folder", "nowhere")
    (tmp_path / "runs").mkdir()
    assert "no runs here" in archspec("runs")


def test_runs_are_compared_as_table_and_picture(folder: Path) -> None:
    text = archspec("runs", "compare", "runs/plain", "runs/residual", "-o", "curves.svg")
    assert "optimizer.lr" in text
    assert "wrote curves.svg: the curves of 2 runs" in text
    assert (folder / "curves.svg").read_text(encoding="utf-8").count("<svg") == 1
    found = archspec("runs", "compare", "runs/plain", "runs/residual", "--json")
    assert found["differences"] == {"optimizer.lr": [0.1, 0.2]}
    refuse("two runs or more", "runs", "compare", "runs/plain")
    refuse("holds no run", "runs", "compare", "runs/plain", ".")


def test_nothing_of_the_users_is_overwritten(folder: Path) -> None:
    (folder / "notes.svg").write_text("mine", encoding="utf-8")
    refuse("notes.svg", "runs", "compare", "runs/plain", "runs/residual", "-o", "notes.svg")
    assert (folder / "notes.svg").read_text(encoding="utf-8") == "mine"


def test_a_page_and_curves_are_drawn_anew(folder: Path) -> None:
    assert "wrote runs/residual/" in archspec("runs", "draw", "runs/residual")
    assert "not finished" in (folder / "runs/residual/index.html").read_text(encoding="utf-8")
