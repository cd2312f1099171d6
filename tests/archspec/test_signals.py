"""Signals that come while a file is written: what is left of it, and how the process ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

WRITE = """
import os, signal, sys
from archspec.files import write_whole

what, ignored = sys.argv[2], sys.argv[3] == "ignored"
if ignored:
    signal.signal(getattr(signal, what), signal.SIG_IGN)
try:
    with write_whole(sys.argv[1]) as temporary:
        temporary.write_text("new")
        os.kill(os.getpid(), getattr(signal, what))
finally:
    assert signal.getsignal(getattr(signal, what)) == (signal.SIG_IGN if ignored else signal.SIG_DFL)
"""


def interrupt(path: Path, what: str, how: str = "") -> int:
    path.write_text("old")
    result = subprocess.run([sys.executable, "-c", WRITE, path, what, how], capture_output=True, text=True)
    assert result.stderr == ""
    return result.returncode


@pytest.mark.parametrize(("what", "code"), [("SIGHUP", 129), ("SIGTERM", 143)])
def test_a_signal_leaves_nothing_behind(what: str, code: int, tmp_path: Path) -> None:
    path = tmp_path / "m"
    assert interrupt(path, what) == code
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("what", ["SIGHUP", "SIGTERM"])
def test_a_signal_that_was_to_be_ignored_is(what: str, tmp_path: Path) -> None:
    """As nohup asks for it."""
    path = tmp_path / "m"
    assert interrupt(path, what, "ignored") == 0
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


TWICE = """
import os, shutil, signal, sys
from archspec.files import write_whole

remove = shutil.rmtree

def interrupted(folder, **options):
    os.kill(os.getpid(), signal.SIGHUP)
    remove(folder, **options)

shutil.rmtree = interrupted
with write_whole(sys.argv[1]):
    os.kill(os.getpid(), signal.SIGHUP)
"""


def test_a_terminal_that_says_twice_that_it_is_closed(tmp_path: Path) -> None:
    """The shell tells it, and so does the system: the second word must not stop the first one's tidying."""
    result = subprocess.run([sys.executable, "-c", TWICE, tmp_path / "m"], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (129, "")
    assert list(tmp_path.iterdir()) == []


LOST = """
import os, signal, sys
from archspec.files import write_whole

with write_whole(sys.argv[1]) as path:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except SystemExit:
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    path.write_text("new")
"""


def test_a_signal_after_one_that_was_lost_is_heard(tmp_path: Path) -> None:
    """As by Python's compiler, which drops what is raised while it works."""
    assert subprocess.run([sys.executable, "-c", LOST, tmp_path / "m"]).returncode == 143
    assert list(tmp_path.iterdir()) == []


DROPPED = """
import os, signal, sys, time, weakref
from archspec import signals
from archspec.files import write_whole

class Thing:
    pass

def end(reference):
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(1000):
        pass

if sys.argv[2] == "once":
    signals.ALARM = ()
thing = Thing()
with write_whole(sys.argv[1]) as path:
    path.write_text("whole")
    reference = weakref.ref(thing, end)
    del thing
    time.sleep(10 if sys.argv[2] == "again" else 0)
"""


@pytest.mark.parametrize(("how", "code"), [("again", 143), ("once", 0)])
def test_a_signal_whose_exit_python_drops_comes_again(how: str, code: int, tmp_path: Path) -> None:
    """What is raised in the callback of a weak reference is printed and dropped; the control shows it."""
    result = subprocess.run(
        [sys.executable, "-c", DROPPED, tmp_path / "m", how], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (code, "")
    assert [path.name for path in tmp_path.iterdir()] == ([] if code else ["m"])


WHILE_IT_IS_MADE = """
import os, signal, sys
from archspec.files import write_whole

make = os.mkdir

def interrupted(folder, *given):
    make(folder, *given)
    os.kill(os.getpid(), getattr(signal, sys.argv[2]))

os.mkdir = interrupted
with write_whole(sys.argv[1]):
    pass
"""


@pytest.mark.parametrize(("what", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_while_the_temporary_folder_is_made(what: str, code: int, tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, "-c", WHILE_IT_IS_MADE, tmp_path / "m", what]
    assert subprocess.run(command, capture_output=True).returncode == code
    assert list(tmp_path.iterdir()) == []
