"""A run that is replaced: it goes as one, what mixes two is told by every reader, and nothing else is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from archspec.api import evaluate, load
from archspec.api import train as train_into
from archspec.errors import ArchspecError
from runtime.recipes.recipe import Recipe
from runtime.training.run import Run
from runtime.training.run_folder import CHECKPOINTS, METRICS, MODEL, RECIPE, SHEET, SPEC, TRAINED, WEIGHTS
from tests.support.commands import refuse
from tests.support.training import change

OLD = load("resnet_digits", {"widths": [4, 4, 4], "depths": [1, 1, 1]})
NEW = load("resnet_digits", {"widths": [8, 4, 4], "depths": [1, 1, 1]})
SETTINGS = Recipe(epochs=2, batch=400, threads=1)
WORDS = ["--data", "digits", "--epochs", "1", "--batch", "400", "--threads", "1", "--set", "depths=[1,1,1]"]
OTHERS = ("notes.txt", "model.onnx", "predictions.png", "samples/0-label-0.png", "samples/17.png", "samples/mine.png")
"""What lies in the folder besides, of the earlier run or of the user's: who could tell."""

Files = Mapping[str, bytes]


def read_files(folder: Path) -> Files:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if ".archspec-" not in str(path)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "run"
    train_into(OLD, "digits", change(SETTINGS, epochs=1), folder=folder)
    (folder / "samples").mkdir()
    for name in OTHERS:
        (folder / name).write_bytes(name.encode())
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


def list_mixed(moments: list[Files], old: Files, new: Files) -> list[Files]:
    """The moments at which the weights lie beside the spec of another run, or beside none."""
    return [files for files in moments if files.get(SPEC) != (old if files[WEIGHTS] == old[WEIGHTS] else new)[SPEC]]


def test_a_run_is_replaced_as_one_and_nothing_else_is(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = read_files(run)
    with MOMENTS.watching(run) as moments:
        train_into(NEW, "digits", SETTINGS, folder=run, force=True)
    new = read_files(run)
    assert sorted(name for name in new if CHECKPOINTS not in name) == sorted([*TRAINED, *OTHERS, SHEET])
    assert all({name: files[name] for name in OTHERS} == {name: old[name] for name in OTHERS} for files in moments)
    assert len({files[WEIGHTS] for files in moments}) == 4  # the old ones, those of two epochs, and the last
    told = "model.onnx and predictions.png and samples from before this run: export and evaluate make new ones"
    assert caplog.messages == [f"{run} has {told}"]

    mixed = list_mixed(moments, old, new)  # as a kill leaves them, which nothing holds back
    assert mixed
    without = {name: data for name, data in new.items() if name != SPEC}  # where a file cannot have two names
    for number, files in enumerate([*mixed, without]):
        refuse_mixed(files, tmp_path / str(number))


def refuse_mixed(files: Files, folder: Path) -> None:
    for name in (SPEC, WEIGHTS, MODEL):
        folder.mkdir(exist_ok=True)
        if name in files:
            (folder / name).write_bytes(files[name])
    told = "is of another network than" if SPEC in files else r"has no spec\.yaml"
    for read in (evaluate, Run.open):
        with pytest.raises(ArchspecError, match=told):
            read(folder)
    if SPEC in files:
        refuse(told, "export", folder / SPEC, "--weights", folder / WEIGHTS, "-o", folder / "new.onnx")


def test_a_spec_that_says_the_same_in_other_words_is_still_of_its_weights(run: Path) -> None:
    """The control: what was read before is no longer taken only where the network is another."""
    text = (run / SPEC).read_text()
    (run / SPEC).write_text(f"# what I noted\n{text}")
    Run.open(run)
    (run / SPEC).write_text(text.replace("relu", "silu"))
    with pytest.raises(ArchspecError, match="is of another network than"):  # whose weights have the same shapes
        Run.open(run)


@pytest.mark.parametrize("failing", [SPEC, METRICS, WEIGHTS])
def test_a_disk_that_refuses_one_of_the_files_leaves_the_earlier_run(
    failing: str, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_files(run)
    refused: list[Path] = []

    def refuse_one(source: Path, target: Path) -> None:
        if Path(target) == run / failing and not refused:
            refused.append(target)
            raise OSError(28, "No space left on device")
        move(source, target)

    move = os.replace
    monkeypatch.setattr("archspec.files.os.replace", refuse_one)
    with pytest.raises(ArchspecError, match=r"cannot write .*: No space left on device"):
        train_into(NEW, "digits", change(SETTINGS, epochs=1), folder=run, force=True)
    assert refused
    assert read_files(run) == before
    train_into(NEW, "digits", change(SETTINGS, epochs=1), folder=run, force=True)  # the control
    assert read_files(run)[WEIGHTS] != before[WEIGHTS]


def test_folders_and_links_in_the_place_of_pictures_hinder_nothing(run: Path, tmp_path: Path) -> None:
    shutil.move(run / "samples", tmp_path / "photos")
    (run / "samples").symlink_to("../photos")
    (run / "predictions.png").unlink()
    (run / "predictions.png").mkdir()
    before = read_files(tmp_path / "photos")
    train_into(NEW, "digits", change(SETTINGS, epochs=1), folder=run, force=True)
    assert read_files(tmp_path / "photos") == before
    Run.open(run)


SIGNALLED = """
import os, signal, sys
from archspec.cli.main import main

def stop(event, given):
    if event == "os.rename" and os.path.abspath(given[1]).endswith(f"/run/{at}"):
        os.kill(os.getpid(), getattr(signal, what))

at, what, *sys.argv[1:] = sys.argv[1:]
sys.addaudithook(stop)
main()
"""


def train_signalled(run: Path, at: str, what: str) -> subprocess.CompletedProcess[str]:
    words = ["train", "resnet_digits", *WORDS, "--set", "widths=[8,4,4]", "-o", str(run), "--force"]
    return subprocess.run([sys.executable, "-c", SIGNALLED, at, what, *words], capture_output=True, text=True)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("at", "what", "code"),
    [
        (SPEC, "SIGTERM", 143),
        pytest.param(METRICS, "SIGINT", 130, marks=pytest.mark.slow),
        pytest.param(WEIGHTS, "SIGHUP", 129, marks=pytest.mark.slow),
    ],
)
def test_a_signal_waits_while_a_run_is_replaced(at: str, what: str, code: int, run: Path) -> None:
    before = read_files(run)
    stopped = train_signalled(run, at, what)
    assert stopped.returncode == code, stopped.stderr
    assert stopped.stderr.endswith(f"ended by {what}\n")  # after the only step, when all was done
    assert read_files(run)[WEIGHTS] != before[WEIGHTS]
    Run.open(run)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_kill_just_before_the_new_weights_leaves_a_run_that_nobody_takes_for_one(run: Path) -> None:
    before = read_files(run)
    killed = train_signalled(run, WEIGHTS, "SIGKILL")
    assert killed.returncode == -9, killed.stderr
    after = read_files(run)
    assert after[WEIGHTS] == before[WEIGHTS]
    assert after[SPEC] != before[SPEC]
    refuse(f"{run / WEIGHTS} is of another network than {run / SPEC}", "evaluate", run)
    hidden = {path.name for folder in run.glob(".archspec-*") for path in folder.iterdir()}
    assert hidden == {WEIGHTS, *(f"{name}.older" for name in (SPEC, RECIPE, METRICS))}  # both runs are still there
    train_into(NEW, "digits", change(SETTINGS, epochs=1), folder=run, force=True)
    Run.open(run)


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


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_stay(run: Path) -> None:
    modes = {SPEC: 0o640, WEIGHTS: 0o604, METRICS: 0o600}
    for name, mode in modes.items():
        (run / name).chmod(mode)
    train_into(NEW, "digits", change(SETTINGS, epochs=1), folder=run, force=True)
    assert {name: (run / name).stat().st_mode & 0o777 for name in modes} == modes
