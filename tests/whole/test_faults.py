"""What can go wrong with an export: unfit weights, a full disk, an end in the middle. Each time the program says so in
one line, and what stood under the name before still stands there whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from archspec.api import elaborate, load, to_onnx, to_torch
from archspec.errors import ArchspecError
from compiler.onnx_target import write
from runtime.session.session import Session
from runtime.weights.safetensors_file import save_weights
from tests.support.commands import archspec, refuse
from tests.support.lowering import Arrays, sample_inputs, stir

SPEC = "resnet_digits"
GRAPH = elaborate(load(SPEC))
FEED = sample_inputs(GRAPH, 2)
SMALL = 10_000
"""Bytes from which the weights of a child's export lie beside the model."""

CHILD = """
import errno, os, resource, signal, sys

from archspec.cli.main import main
from compiler.onnx_target import write
from runtime.verification.proof import proof
from runtime.int8 import calibrate

place, turn, what, single, *sys.argv[1:] = sys.argv[1:]
write.MAX_FILE_BYTES = int(single)

def fail():
    if what == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.kill(os.getpid(), getattr(signal, what))

def failing(function):
    turns = iter(range(1 << 30))
    def call(*given, **named):
        if next(turns) == int(turn):
            fail()
        return function(*given, **named)
    return call

if place == "tensor":
    write.as_bytes = failing(write.as_bytes)
elif place == "rename":
    os.replace = failing(os.replace)
elif place == "proof":
    proof.prove = failing(proof.prove)
elif place == "calibration":
    calibrate.run_exposed = failing(calibrate.run_exposed)
elif place == "size":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(turn), int(turn)))
main()
"""


def weights_of(seed: int) -> Arrays:
    return {name: value.numpy() for name, value in stir(to_torch(GRAPH), seed).state_dict().items()}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_weights(path, weights_of(1), {})
    return path


@pytest.fixture(params=[1 << 30, SMALL], ids=["one file", "two files"])
def single(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(write, "MAX_FILE_BYTES", request.param)
    return int(request.param)


@pytest.fixture
def older(tmp_path: Path, single: int) -> Path:
    """A good model under the name that the next export is for."""
    to_onnx(GRAPH, weights_of(0), tmp_path / "m.onnx", verify=False)
    assert len(list(tmp_path.iterdir())) == (1 if single > SMALL else 2)
    return tmp_path / "m.onnx"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def export_and_fail(place: str, turn: int, what: str, single: int, weights: Path, target: Path) -> tuple[int, str]:
    """An export in a process of its own, with one fault: exit code (minus the signal's number) and what it said."""
    words = ["export", SPEC, "--weights", str(weights), "-o", str(target), "--no-verify"]
    command = [sys.executable, "-c", CHILD, place, str(turn), what, str(single), *words]
    result = subprocess.run(command, capture_output=True, text=True)
    assert "Traceback" not in result.stderr
    return result.returncode, result.stderr


@pytest.mark.parametrize("place", ["proof", "calibration"])
def test_an_interrupted_calibration_leaves_nothing(
    place: str, stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the folder of temporary files either."""
    images, scratch, folder = tmp_path / "images.npy", tmp_path / "scratch", tmp_path / "models"
    np.save(images, next(iter(FEED.values())))
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    words = ["export", SPEC, "--weights", str(stored), "-o", str(folder / "m.onnx")]
    words += ["--precision", "int8", "--data", str(images)]
    command = [sys.executable, "-c", CHILD, place, "0", "SIGTERM", str(1 << 30), *words]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (143, "ended by SIGTERM\n")
    assert [*scratch.glob("tmp*"), *folder.iterdir()] == []  # ONNX Runtime leaves a file of its own


def test_a_calibration_needs_no_room_among_temporary_files(stored: Path, tmp_path: Path) -> None:
    """Its float model lies on the disk that the model is for, whose errors name it."""
    images, tiny = tmp_path / "images.npy", tmp_path / "tiny"
    np.save(images, next(iter(FEED.values())))
    tiny.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tiny)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    words = ["export", SPEC, "--weights", str(stored), "--precision", "int8", "--data", str(images), "-o"]
    try:
        for target, code in ((tmp_path / "m.onnx", 0), (tiny / "m.onnx", 2)):
            command = [sys.executable, "-m", "archspec", *words, str(target)]
            result = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(tiny)})
            assert result.returncode == code, result.stderr
            assert code == 0 or f"error: cannot write {target}: No space left on device\n" in result.stderr
        assert list(tiny.glob("*.onnx")) == []
    finally:
        subprocess.run(["umount", "--lazy", tiny], check=True)


def pick(change: Callable[[Arrays], object]) -> Arrays:
    weights = weights_of(1)
    change(weights)
    return weights


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop("linear_0.bias"), "linear_0.bias is missing"),
        (lambda weights: weights.update(more=np.zeros(2)), "more is of no layer"),
        (lambda weights: weights.update({"linear_0.bias": np.zeros(11)}), "linear_0.bias should be (10,), found (11,)"),
    ],
)
def test_weights_that_do_not_fit(change: Callable[[Arrays], object], message: str, older: Path) -> None:
    before, file = contents(older.parent), older.parent.parent / f"{older.parent.name}.safetensors"
    save_weights(file, pick(change), {})
    refuse(message, "export", SPEC, "--weights", file, "-o", older)
    assert contents(older.parent) == before
    assert sorted(before) == sorted(path.name for path in older.parent.iterdir())


def test_weights_of_another_spec(stored: Path, tmp_path: Path) -> None:
    refuse("the weights do not fit resnet18", "export", "resnet18", "--weights", stored, "-o", tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(value: float, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    weights = weights_of(1)
    weights["linear_0.bias"][3] = value
    save_file(weights, tmp_path / "w.safetensors")
    refuse(
        "'linear_0.bias' holds infinite", "export", SPEC, "--weights", tmp_path / "w.safetensors", "-o", tmp_path / "m"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


@pytest.mark.parametrize(("kind", "tolerance"), [(np.float16, 1e-2), (np.float64, 1e-5)])
def test_weights_of_other_types_are_taken(kind: type, tolerance: float, tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    save_weights(file, {name: array.astype(kind) for name, array in weights_of(1).items()}, {})
    archspec("export", SPEC, "--weights", file, "-o", tmp_path / "m.onnx", "--no-verify")
    to_onnx(GRAPH, weights_of(1), tmp_path / "plain.onnx", verify=False)
    found, expected = (
        Session(tmp_path / name, providers=["cpu"]).run(FEED)["output"] for name in ("m.onnx", "plain.onnx")
    )
    assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()
    if kind is np.float16:  # the tolerance is not there for nothing
        assert np.abs(found - expected).max() > 0


@pytest.mark.parametrize("place", [("tensor", 0), ("tensor", 9), ("rename", 0), ("size", 30_000), ("size", 1)])
def test_a_full_disk(place: tuple[str, int], single: int, older: Path, stored: Path) -> None:
    before = contents(older.parent)
    code, said = export_and_fail(*place, "full", single, stored, older)
    assert code == 2
    assert said.startswith(f"error: cannot write {older}: ")
    assert said.count("\n") == 1
    assert contents(older.parent) == before
    assert sorted(before) == sorted(path.name for path in older.parent.iterdir())


@pytest.mark.parametrize(("what", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_an_interrupted_export_leaves_nothing(what: str, code: int, single: int, older: Path, stored: Path) -> None:
    before = contents(older.parent)
    assert export_and_fail("tensor", 9, what, single, stored, older)[0] == code
    assert contents(older.parent) == before
    assert sorted(before) == sorted(path.name for path in older.parent.iterdir())


@pytest.mark.parametrize(("what", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_an_export_whose_files_take_their_places_is_not_interrupted(
    what: str, code: int, single: int, older: Path, stored: Path
) -> None:
    """It ends when all of them have, and when what they replace is gone."""
    before = contents(older.parent)
    assert export_and_fail("rename", 0, what, single, stored, older)[0] == code
    left = contents(older.parent)
    to_onnx(GRAPH, weights_of(1), older, verify=False)
    assert left == contents(older.parent) != before
    assert sorted(left) == sorted(path.name for path in older.parent.iterdir())


@pytest.mark.parametrize("place", [("tensor", 0), ("tensor", 9), ("rename", 0), ("rename", 1)])
def test_a_killed_export_leaves_the_older_model(place: tuple[str, int], single: int, older: Path, stored: Path) -> None:
    """Even between the two renames: then the new data lies there under its own name."""
    before = contents(older.parent)
    expected = Session(older, providers=["cpu"]).run(FEED)["output"]
    code, _ = export_and_fail(*place, "SIGKILL", single, stored, older)
    if place == ("rename", 1) and single > SMALL:  # one file has one rename, and nothing was left to kill
        assert code == 0
        return
    assert code == -9
    after = contents(older.parent)
    assert {name: after[name] for name in before} == before
    assert np.array_equal(Session(older, providers=["cpu"]).run(FEED)["output"], expected)

    archspec("export", SPEC, "--weights", stored, "-o", older, "--no-verify")
    changed = Session(older, providers=["cpu"]).run(FEED)["output"]
    assert np.abs(changed - expected).max() > 1e-2 * np.abs(expected).max()


TERMINAL = """
import os, pty, signal, sys, time

pid, master = pty.fork()
if pid == 0:
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
while b"ready" not in os.read(master, 1000):
    pass
os.close(master)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""

ON_A_TERMINAL = """
import sys, time
from archspec.cli.main import main
from compiler.onnx_target import write

def wait(*given):
    print("ready", flush=True)
    try:
        time.sleep(60)
    finally:
        print("what nobody will read", flush=True)

write.as_bytes = wait
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_a_terminal_that_is_closed_leaves_nothing(stored: Path, tmp_path: Path) -> None:
    words = ["export", SPEC, "--weights", str(stored), "-o", str(tmp_path / "m.onnx"), "--no-verify"]
    command = [sys.executable, "-c", TERMINAL, "-c", ON_A_TERMINAL, *words]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("129\n", "")
    assert list(tmp_path.iterdir()) == []


AT_THE_END = """
import atexit, os, signal, sys
from archspec.cli.main import main

atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
sys.argv = ["archspec", "--version"]
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interrupt_while_a_command_goes_shows_no_traceback() -> None:
    result = subprocess.run([sys.executable, "-c", AT_THE_END], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (-2, "")
    assert result.stdout.startswith("archspec ")


def test_a_report_outlives_the_file(tmp_path: Path) -> None:
    done = to_onnx(GRAPH, weights_of(0), tmp_path / "m.onnx", verify=False)
    written = done.path.stat().st_size
    done.path.rename(tmp_path / "other.onnx")
    assert done.to_dict()["bytes"] == written


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ArchspecError, match="cannot write"):
        to_onnx(GRAPH, weights_of(0), tmp_path / "file" / "m.onnx", verify=False)
    with pytest.raises(ArchspecError, match="names a folder; give a file in it, as in "):
        to_onnx(GRAPH, weights_of(0), tmp_path, verify=False)


def test_a_model_does_not_replace_what_it_is_made_from(stored: Path, tmp_path: Path) -> None:
    link = tmp_path / "m.onnx"
    link.symlink_to(stored)
    before = stored.read_bytes()
    for output in (stored, link):
        refuse("--output would replace", "export", SPEC, "--weights", stored, "-o", output, "--no-verify")
    assert stored.read_bytes() == before
    assert link.is_symlink()


def test_a_place_that_cannot_be_written_is_said_before_a_calibration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.export.export._quantize", None)
    words = ("--precision", "int8", "--data", "digits", "--no-verify", "-o", tmp_path)
    refuse("names a folder", "export", SPEC, *words)
