"""One training at a time writes into a folder, and whatever ends it, the next one may."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archspec.errors import InputError
from runtime.training.lock import LOCK, RunLock

HOLD = """
import os, sys, time
from pathlib import Path
from runtime.training.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


def test_a_folder_is_one_trainings(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "checkpoints"
    first = RunLock(folder)
    with pytest.raises(InputError, match=f"run is being written by a training, process {os.getpid()}: wait"):
        RunLock(folder)
    first.release()
    assert not folder.exists()
    RunLock(folder).release()
    first.release()  # once more does nothing


def test_the_folder_of_a_process_that_was_killed_is_free(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(InputError, match=f"process {child.pid}"):
        RunLock(tmp_path)
    child.kill()
    child.wait()
    child.stdout.close()
    assert (tmp_path / LOCK).exists()
    RunLock(tmp_path).release()


def test_a_file_that_was_removed_before_it_was_locked_locks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another training ends between the opening of its file and the lock on it; the next one has the new file."""
    take, calls = RunLock._take, []

    def take_late(self: RunLock) -> None:
        calls.append(self)
        if len(calls) == 1:
            self.path.unlink()
        take(self)

    monkeypatch.setattr(RunLock, "_take", take_late)
    lock = RunLock(tmp_path)
    assert len(calls) == 2
    with pytest.raises(InputError, match="is being written by a training"):
        RunLock(tmp_path)
    lock.release()


def test_what_is_in_the_folder_stays(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    (tmp_path / "mine").write_text("mine")
    lock.release()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    with pytest.raises(InputError, match=r"cannot write .*mine: Not a directory|cannot write .*File exists"):
        RunLock(tmp_path / "mine")
