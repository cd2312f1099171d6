"""ONNX Runtime tells nobody what is run here, unless the user wants it: what it leaves in a home is watched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from archspec.telemetry import BUILD_SERVERS, VARIABLE, find_silencer
from tests.support.models import build_double, save

TELLING = {"cache/Microsoft/DeveloperTools/.onnxruntime/onnxruntime.db", "tmp/.ses"}
"""What ONNX Runtime 1.31 leaves where it tells."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("home", "cache", "tmp", "work"):
        (tmp_path / name).mkdir()
    save(build_double(), tmp_path / "work" / "m.onnx")
    np.save(tmp_path / "work" / "x.npy", np.ones((2, 3, 4, 4), np.float32))
    (tmp_path / "work" / "tiny.yaml").write_text(
        "{archspec: 1, name: tiny, inputs: {x: [3]}, network: [linear: 2]}", encoding="utf-8"
    )
    return tmp_path


def list_left(home: Path, words: Sequence[str], variables: Mapping[str, str] = {}) -> set[str]:
    """The files that a process leaves in its home, its cache and its temporary folder; build servers keep it quiet."""
    environment = {name: value for name, value in os.environ.items() if name not in (VARIABLE, *BUILD_SERVERS)}
    environment |= {"HOME": str(home / "home"), "XDG_CACHE_HOME": str(home / "cache"), "TMPDIR": str(home / "tmp")}
    environment |= variables
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, *words], cwd=home / "work", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    places = (path for name in ("home", "cache", "tmp") for path in (home / name).rglob("*"))
    return {path.relative_to(home).as_posix() for path in places if path.is_file()}


SIZES = ("--size", "H=4", "--size", "W=4")
COMMANDS = [
    ("run", "m.onnx", "x.npy"),
    ("doctor",),
    pytest.param(("verify", "m.onnx", *SIZES), marks=pytest.mark.slow),
    pytest.param(("bench", "m.onnx", "--seconds", "0.1", *SIZES), marks=pytest.mark.slow),
    pytest.param(("export", "tiny.yaml", "-o", "tiny.onnx"), marks=pytest.mark.slow),
    pytest.param(("tune", "m.onnx", "--seconds", "1", *SIZES), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_commands_leave_nothing(home: Path, words: tuple[str, ...]) -> None:
    assert list_left(home, ["-m", "archspec", *words]) == set()


@pytest.mark.parametrize("variable", ["0", ""])
def test_what_the_user_chose_stays(home: Path, variable: str) -> None:
    """The control too: what the other tests do not find is found."""
    assert list_left(home, ["-m", "archspec", "run", "m.onnx", "x.npy"], {VARIABLE: variable}) >= TELLING


CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import onnxruntime'], check=True)"


def test_processes_that_a_program_starts_are_quiet_too(home: Path) -> None:
    assert list_left(home, ["-c", f"import archspec; {CHILD}"]) == set()
    assert list_left(home, ["-c", CHILD]) >= TELLING


COUNT = """
import time
{imports}
for _ in range(20):
    try:
        onnxruntime.InferenceSession("none.onnx")
    except Exception:
        pass
time.sleep(2)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("imports", "told"), [("import onnxruntime, archspec", False), ("import onnxruntime", True)])
def test_a_runtime_that_was_imported_before_tells_nothing_more(home: Path, imports: str, told: bool) -> None:
    """It has told that it was imported; its queue has the errors of sessions only without this program."""
    list_left(home, ["-c", COUNT.format(imports=imports)])
    (queue,) = (home / "cache").rglob("onnxruntime.db*")
    assert (b"RuntimeError" in queue.read_bytes()) == told


VALUES = ["1", "true", "Yes", "ON", " y ", "0", "", "off", "2", "t", "No", "FALSE", " "]
SETTINGS = dict.fromkeys(
    [*((name, "1") for name in BUILD_SERVERS), *((name, value) for name in (VARIABLE, "CI") for value in VALUES)]
)


@pytest.mark.parametrize(("name", "value"), SETTINGS)
@pytest.mark.slow
def test_variables_are_understood_as_onnx_runtime_does(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    clear_variables(monkeypatch)
    monkeypatch.setenv(name, value)
    quiet = list_left(home, ["-c", "import onnxruntime"], {name: value}) == set()
    assert find_silencer() == (name if quiet else None)


def test_a_build_server_is_named_before_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Since 0 turns nothing on there."""
    clear_variables(monkeypatch)
    assert find_silencer() is None
    monkeypatch.setenv(VARIABLE, "1")
    assert find_silencer() == VARIABLE
    monkeypatch.setenv("GITLAB_CI", "true")
    assert find_silencer() == "GITLAB_CI"


def clear_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (VARIABLE, *BUILD_SERVERS):
        monkeypatch.delenv(name, raising=False)
