"""How a command ends: its exit code, and output whose reader or disk is gone."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform == "win32", reason="the pipes of a shell")
@pytest.mark.parametrize(
    ("words", "expected"),
    [(("list",), 0), (("schema",), 0), (("lint", "densenet121", "--size", "H=250"), 1), (("show", "nowhere"), 2)],
)
def test_a_reader_that_goes_changes_no_exit_code(words: tuple[str, ...], expected: int) -> None:
    """`archspec list | head`: whatever fits into the pipe, and whatever is buffered."""
    command = [sys.executable, "-m", "archspec", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() == expected


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full")
def test_output_that_cannot_be_written_is_a_failure() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "archspec", "schema"], stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (2, b"error: No space left on device\n")


@pytest.mark.skipif(sys.platform == "win32", reason="the descriptors of a shell")
@pytest.mark.parametrize("words", ["list", "list --json", "check nowhere", "show nowhere", "init net.yaml"])
def test_where_stdout_is_closed_nothing_is_done_and_one_line_says_so(words: str, tmp_path: Path) -> None:
    """Else a file that is opened next would be the stdout of whatever prints."""
    done = run_closing(f"{words} >&-", tmp_path)
    said = "error: stdout is closed, where the answer goes; `> /dev/null` drops it\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
    assert run_closing(f"{words} >&- 2>&-", tmp_path).returncode == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="the descriptors of a shell")
@pytest.mark.parametrize(("words", "expected"), [("list", 0), ("check nowhere", 2), ("show nowhere", 2)])
def test_a_closed_stderr_changes_no_exit_code(words: str, expected: int, tmp_path: Path) -> None:
    done, usual = (run_closing(f"{words}{closing}", tmp_path) for closing in (" 2>&-", ""))
    assert (done.returncode, done.stdout) == (usual.returncode, usual.stdout)
    assert done.returncode == expected


def run_closing(words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command as a shell runs it, which may close what it would write to."""
    command = f"{shlex.quote(sys.executable)} -m archspec {words}"
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=folder, check=False)
