"""The command `tune`: what it prints, what it stores, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from runtime.session.model_file import ModelFile
from runtime.session.settings import Settings
from runtime.session.tuning_file import TuningEntry, identify, keep_entries, read_entries
from tests.support.commands import archspec, refuse
from tests.support.models import build_linear, save


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
    tried = f" ({entry.unfinished})" if entry.unfinished else ""
    assert f" stored in {model}.tune.json, at any size{tried}: {entry.settings}" in stored
    assert "in brackets their least and largest" in stored
    assert f"next: archspec bench {model}" in stored


def test_a_dry_run_stores_nothing(model: Path) -> None:
    row = archspec("tune", model, "--seconds", "1", "--provider", "cpu", "--dry-run", "--json")
    assert not row["stored"]
    assert read_entries(model) == ()
    assert row["provider"] == "cpu"
    assert set(row["sizes"]) == {"N"}
    assert {trial["verdict"] for trial in row["finals"]} <= {"taken", "no faster"}
    assert row["entries"]
    said = archspec("tune", model, "--seconds", "1", "--provider", "cpu", "--dry-run")
    assert f"not stored in {model}.tune.json" in " ".join(said.split())
    assert "next:" not in said
    refuse("--force is read by tuning that stores what it finds alone", "tune", model, "--dry-run", "--force")


def test_a_fuller_search_stays_unless_it_is_forced_out(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.measuring.climb.SHARE", 0.0)  # no time to try anything
    fuller = TuningEntry(
        identify(ModelFile.open(model), "cpu"), {"N": 1}, False, Settings(arena=False), 1.0, 2.0, tried=3, changes=8
    )
    keep_entries(model, (fuller,))
    short = ("tune", model, "--seconds", "1", "--provider", "cpu")
    said = " ".join(archspec(*short).split())
    assert read_entries(model)[0] == fuller
    assert f"not stored in {model}.tune.json, at any size (0 of " in said
    assert "those of a fuller search stay there (3 of 8 changes tried): no arena; --force replaces them" in said
    assert "settings: no arena (m.onnx.tune.json: 3 of 8 changes tried)" in archspec("bench", model, "--seconds", "0.1")
    row = archspec(*short, "--force", "--json")
    assert row["stayed"] == []
    assert row["stored"]
    assert fuller not in read_entries(model)


def test_what_is_wrong_is_said(model: Path) -> None:
    refuse("nowhere.onnx does not exist", "tune", "nowhere.onnx")
    refuse("has no free size 'D'", "tune", model, "--size", "D=3")
    refuse("no provider 'cudda'; did you mean 'cuda'", "tune", model, "--provider", "cudda")
    Path(f"{model}.tune.json").write_text("[", encoding="utf-8")
    refuse("m.onnx.tune.json is not valid JSON", "tune", model, "--seconds", "1", "--provider", "cpu")
    refuse(f"delete it, and run archspec tune {model} again", "bench", model)


ENDED = """
import os, signal, subprocess, sys

from archspec.cli.main import main
from runtime.measuring import climb

what, pids, *sys.argv[1:] = sys.argv[1:]
start = subprocess.Popen.__init__

def note(process, *given, **options):
    start(process, *given, **options)
    with open(pids, "a") as file:
        print(process.pid, file=file)

subprocess.Popen.__init__ = note
climb.Climb.climb = lambda *given: os.kill(os.getpid(), getattr(signal, what))
main()
"""


def is_running(pid: str) -> bool:
    """Not one that has ended, and that nobody has asked for its exit code yet."""
    try:
        return Path("/proc", pid, "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
@pytest.mark.parametrize(("what", "code"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130), ("SIGKILL", -9)])
def test_no_stopped_process_outlives_the_search(what: str, code: int, model: Path, tmp_path: Path) -> None:
    pids, scratch = tmp_path / "pids", tmp_path / "scratch"
    scratch.mkdir()
    words = ["tune", str(model), "--seconds", "1", "--provider", "cpu"]
    result = subprocess.run(
        [sys.executable, "-c", ENDED, what, str(pids), *words],
        capture_output=True,
        text=True,
        env=os.environ | {"TMPDIR": str(scratch)},
    )
    assert result.returncode == code
    assert "Traceback" not in result.stderr
    measured = pids.read_text(encoding="utf-8").split()
    assert measured
    until = time.monotonic() + 30
    while any(map(is_running, measured)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(is_running, measured))
    assert what == "SIGKILL" or not list(scratch.glob("tmp*"))  # ONNX Runtime leaves a file of its own
    assert read_entries(model) == ()


def test_a_place_that_cannot_be_written_is_said_before_the_search(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.measuring.tune.Climb", None)
    long = model.rename(tmp_path / f"{'m' * 250}.onnx")
    refuse("cannot write", "tune", long, "--seconds", "1", "--provider", "cpu")
    assert list(tmp_path.iterdir()) == [long]
