"""The words of a command are handed on to several processes, which end together."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archspec.errors import RuntimeFailure
from archspec.shared_end import VARIABLE
from runtime.training.launching import launch, strip_words


def test_words_of_the_command_are_taken_out() -> None:
    words = ["train", "net", "-o", "a b", "--processes=2", "--output=x", "--seed", "1"]
    assert strip_words(words, {"-o": 1, "--output": 1, "--processes": 1}) == ["train", "net", "--seed", "1"]


def test_a_mistake_ends_all_processes_and_is_said_once(capfd: pytest.CaptureFixture[str]) -> None:
    """Each process meets it, and none starts anew and meets it again."""
    assert launch(["show", "no_such_spec"], 2, 1) is False
    assert capfd.readouterr().err.count("no file and no zoo spec of this name") == 1
    assert VARIABLE not in os.environ


KILLED = """
import os, signal
if os.environ.get("RANK") == "1" and int(os.environ["TORCHELASTIC_RESTART_COUNT"]) < {times}:
    os.kill(os.getpid(), signal.SIGKILL)
"""
"""What Python runs at its start, for the second of the processes to be killed so often."""


def test_a_process_that_is_killed_starts_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it was killed too often; then nobody has said an error yet, and the launcher does."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.setattr("runtime.training.launching.MAX_RESTARTS", 2)
    (tmp_path / "sitecustomize.py").write_text(KILLED.format(times=2), encoding="utf-8")
    assert launch(["--version"], 2, 1) is True
    monkeypatch.setattr("runtime.training.launching.MAX_RESTARTS", 1)
    with pytest.raises(RuntimeFailure, match="process 1 of 2 ended with exit code -9, also when all were started anew"):
        launch(["--version"], 2, 1)
