"""What is printed of a search for settings: each trial, what was stored, and what next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from archspec.cli.tables.tune import print_tuning
from runtime.measuring.climb import SettingsTrial
from runtime.measuring.tune import Tuning
from runtime.session.settings import Settings
from runtime.session.tuning_file import TuningEntry, TuningKey
from tests.support.tables import read_rows

KEY = TuningKey("hash", "a processor", "1.27", "cpu")
ENTRY = TuningEntry(KEY, {"N": 3}, False, Settings(threads=2), 1.0, 2.0, tried=8, changes=8)
TRIALS = (
    SettingsTrial("threads 2", "taken", 1.0, 2.0, 1.8, 2.2),
    SettingsTrial("arena off", "no faster", 1.1, 0.9, 0.8, 1.0),
    SettingsTrial("layout plain", "refused", why="its outputs differ by \x1b"),
)
FOUND = Tuning(
    *(Path("m.tune.json"), KEY, 3, {"N": 3}, Settings(threads=2), 2.0, TRIALS, TRIALS[:1], ("tf32",), (ENTRY,)),
    *(1.0, True),
)


def test_trials_and_what_was_stored(capsys: pytest.CaptureFixture[str]) -> None:
    print_tuning(FOUND, Path("m.onnx"), stored=True)
    rows = read_rows(capsys)
    assert rows[1] == ["threads 2", "1.000", "2.000 (1.800–2.200)", "taken"]
    assert rows[3] == ["layout plain", "refused: its outputs differ by \\x1b"]
    lines = [" ".join(row) for row in rows]
    assert "not tried, for want of time (--seconds): tf32" in lines
    assert "default settings: 2.000 ms a run; N 3; a processor" in lines
    assert any(line.startswith("the machine was busy") for line in lines)
    assert any(line.startswith("stored in m.tune.json, at any size: ") for line in lines)
    assert lines[-1] == "next: archspec bench m.onnx"


def test_what_is_not_stored_has_nothing_next(capsys: pytest.CaptureFixture[str]) -> None:
    print_tuning(replace(FOUND, busy=False), Path("m.onnx"), stored=False)
    text = capsys.readouterr().out
    assert "\nnot stored in m.tune.json" in text
    assert "next:" not in text
    assert "busy" not in text


def test_a_fuller_search_stays(capsys: pytest.CaptureFixture[str]) -> None:
    fuller = replace(ENTRY, settings=Settings(arena=False))
    print_tuning(replace(FOUND, stayed=(fuller,)), Path("m.onnx"), stored=True)
    assert "those of a fuller search stay there (8 of 8 changes tried)" in capsys.readouterr().out


def test_fixed_sizes_are_told_for_python(capsys: pytest.CaptureFixture[str]) -> None:
    print_tuning(replace(FOUND, entries=(replace(ENTRY, fixed=True),)), Path('a"b.onnx'), stored=True)
    text = capsys.readouterr().out
    assert "with these sizes fixed: " in text
    assert 'Session("a\\"b.onnx", fixed={"N": 3})' in text
