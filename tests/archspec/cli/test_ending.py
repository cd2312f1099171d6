"""How a command ends: its exit code, and output whose reader or disk is gone."""

from __future__ import annotations

import os
import subprocess
import sys

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
