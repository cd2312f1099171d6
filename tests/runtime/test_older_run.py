"""A run that is replaced: at every moment the folder holds one run, or none that anybody takes for one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archspec.api import elaborate, evaluate, load, read_weights, to_onnx
from archspec.api import train as train_into
from archspec.errors import ArchspecError
from runtime import run_writer
from runtime.experiments.trained import read_run
from runtime.older_run import remove_older_run
from runtime.optimized import describe_runtime
from runtime.run_folder import METRICS, MODEL, PICTURE, SAMPLES, SPEC, WEIGHTS
from runtime.train import TrainSettings
from tests.commands import refuse
from tests.runtime.models import build_double, save
from tests.runtime.without import run_without

OLD = load("resnet_digits", {"widths": [4, 4, 4], "depths": [1, 1, 1]})
NEW = load("resnet_digits", {"widths": [8, 4, 4], "depths": [1, 1, 1]})
SETTINGS = TrainSettings(epochs=2, batch=400, threads=1)
WORDS = ["--data", "digits", "--epochs", "1", "--batch", "400", "--threads", "1", "--set", "depths=[1,1,1]"]
MADE = (MODEL, PICTURE, f"{SAMPLES}/0-label-0.png", f"{SAMPLES}/17.png")
"""What is of the older run, beside the forms of its model."""
MINE = ("notes.txt", f"{SAMPLES}/mine.png", "v1.onnx", "model.onnx.bak", "model.ort.onnx")

Files = Mapping[str, bytes]


def read_files(folder: Path) -> Files:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if ".archspec-" not in str(path)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all that commands make of it, and files of its user's."""
    folder = tmp_path_factory.mktemp("made") / "run"
    train_into(OLD, "digits", folder, replace(SETTINGS, epochs=1))
    optimized = describe_runtime() is not None
    graph = elaborate(load(folder / SPEC))
    to_onnx(graph, read_weights(folder / WEIGHTS)[0], folder / MODEL, verify=False, optimized=optimized)
    (folder / SAMPLES).mkdir()
    for name in (PICTURE, *MADE[2:], "notes.txt", f"{SAMPLES}/mine.png", "model.onnx.bak"):
        (folder / name).write_bytes(name.encode())
    shutil.copyfile(folder / MODEL, folder / "v1.onnx")
    save(build_double(), folder / "model.ort.onnx")
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


class Moments:
    """What a folder holds before each deed to a file of it: what a kill at that moment leaves."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.seen: list[Files] = []
        sys.addaudithook(self.look)

    def look(self, event: str, given: tuple[Any, ...]) -> None:
        folder = self.folder
        if folder is None or event not in ("open", "os.rename", "os.remove", "os.rmdir", "os.truncate"):
            return
        if any(isinstance(name, str | os.PathLike) and str(folder) in str(name) for name in given):
            self.folder = None  # what is done to look counts for nothing
            self.seen.append(read_files(folder))
            self.folder = folder

    @contextmanager
    def watching(self, folder: Path) -> Iterator[list[Files]]:
        self.folder, self.seen = folder, []
        try:
            yield self.seen
        finally:
            self.folder = None


MOMENTS = Moments()


def is_of(files: Files, run: Files) -> bool:
    """Whether spec and weights, and all that was made of a run, are of this one; of its metrics some lines."""
    parts = (*MADE, *(name for name in files if name.startswith("model.ort") and name not in MINE))
    return (
        files.get(SPEC) == run[SPEC]
        and files.get(METRICS, b"").splitlines()[:1] == run[METRICS].splitlines()[:1]
        and all(files[name] == run.get(name) for name in parts if name in files)
    )


def list_mixed(moments: list[Files], old: Files, new: Files, later: list[bytes]) -> list[list[str]]:
    """The moments at which a folder with weights is neither the one run nor the other, by their files."""
    mixed = []
    for files in moments:
        weights = files.get(WEIGHTS)
        if weights is not None and not is_of(files, old if weights == old[WEIGHTS] else new):
            mixed.append(sorted(files))
        later += [weights] if weights is not None else []
    return mixed


def replace_run(run: Path) -> tuple[Files, Files, list[Files]]:
    old = read_files(run)
    with MOMENTS.watching(run) as moments:
        train_into(NEW, "digits", run, SETTINGS, force=True)
    return old, read_files(run), moments


def test_a_run_is_replaced_as_one(run: Path) -> None:
    old, new, moments = replace_run(run)
    weights: list[bytes] = []
    assert list_mixed(moments, old, new, weights) == []
    assert len(set(weights)) == 4  # the old ones, those of two epochs, and the last
    assert any(WEIGHTS not in files for files in moments)
    assert all({name: files[name] for name in MINE} == {name: old[name] for name in MINE} for files in (*moments, new))
    assert sorted(new) == sorted([SPEC, WEIGHTS, METRICS, *MINE])


def test_a_run_that_is_replaced_file_by_file_is_seen(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(run_writer, "remove_older_run", lambda folder: None)
    old, new, moments = replace_run(run)
    assert list_mixed(moments, old, new, [])


def test_readers_say_that_a_run_is_unfinished(run: Path) -> None:
    (run / WEIGHTS).unlink()
    for read in (evaluate, read_run):
        with pytest.raises(ArchspecError, match=r"has no weights\.safetensors: its training was not finished"):
            read(run)
    (run / METRICS).unlink()
    for read in (evaluate, read_run):
        with pytest.raises(ArchspecError, match=r"has no weights\.safetensors: run `archspec train"):
            read(run)


KILLED = """
import os, signal, sys
from archspec.cli import main

def kill(event, given):
    if event == "os.rename" and os.path.abspath(given[1]).endswith("/run/weights.safetensors"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_kill_just_before_the_new_weights_leaves_a_run_that_nobody_takes_for_one(run: Path) -> None:
    words = ["train", "resnet_digits", *WORDS, "--set", "widths=[8,4,4]", "-o", str(run), "--force"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *words], capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    assert WEIGHTS not in read_files(run)
    refuse("has no weights.safetensors: its training was not finished: train again, with --force", "evaluate", run)
    refuse("weights.safetensors does not exist", "export", run / SPEC, "--weights", run / WEIGHTS, "-o", run / MODEL)
    train_into(NEW, "digits", run, replace(SETTINGS, epochs=1), force=True)
    read_run(run)


@pytest.mark.parametrize("name", [SPEC, WEIGHTS, METRICS])
def test_a_run_whose_parts_lie_elsewhere_is_not_replaced(name: str, run: Path, tmp_path: Path) -> None:
    (run / name).rename(tmp_path / name)
    (run / name).symlink_to(tmp_path / name)
    before = read_files(run)
    words = ("train", "resnet_digits", "--data", "digits", "--force", "-o", run)
    refuse(f"{run / name} is a link or no file, and a run's files are replaced as one", *words)
    (run / name).unlink()
    (run / name).mkdir()
    refuse(f"{run / name} is a link or no file", *words)
    (run / name).rmdir()
    (tmp_path / name).rename(run / name)
    assert read_files(run) == before


def test_a_model_of_anothers_stays(run: Path) -> None:
    save(build_double(), run / MODEL)
    before = (run / MODEL).read_bytes()
    train_into(NEW, "digits", run, replace(SETTINGS, epochs=1), force=True)
    assert (run / MODEL).read_bytes() == before


@pytest.mark.parametrize("linked", [True, False])
def test_samples_that_lie_elsewhere_stay(linked: bool, run: Path, tmp_path: Path) -> None:
    if linked:
        (run / SAMPLES).rename(tmp_path / "pictures")
        (run / SAMPLES).symlink_to(tmp_path / "pictures")
    remove_older_run(run)
    left = {path.name for path in (run / SAMPLES).iterdir()}
    assert left == {"mine.png", *(("0-label-0.png", "17.png") if linked else ())}


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_stay(run: Path) -> None:
    modes = {SPEC: 0o640, WEIGHTS: 0o604, METRICS: 0o600}
    for name, mode in modes.items():
        (run / name).chmod(mode)
    train_into(NEW, "digits", run, replace(SETTINGS, epochs=1), force=True)
    assert {name: (run / name).stat().st_mode & 0o777 for name in modes} == modes


def test_without_onnx_a_model_is_not_judged(run: Path) -> None:
    """It is said at once, and nothing is removed."""
    code = f"""
from archspec.errors import MissingExtra
from runtime.older_run import list_older_models
from pathlib import Path
try:
    list_older_models(Path({str(run)!r}))
except MissingExtra as error:
    print(error)
print(list_older_models(Path({str(run / SAMPLES)!r})))
"""
    assert "onnx" in run_without(("onnx",), code).splitlines()[0]
