"""A run is never overwritten unasked, and one that ends early leaves the weights of its last finished epoch."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from archspec.api import elaborate, load, to_torch
from archspec.api import train as train_into
from archspec.cli.main import app
from archspec.errors import ArchspecError
from compiler.onnx_file.metadata import EPOCH
from runtime.data.registry import load_data
from runtime.recipes.recipe import Recipe
from runtime.training.callbacks import TrainingCallback
from runtime.training.loop import Attendance
from runtime.training.metrics import Progress
from runtime.training.nonfinite import DivergedError
from runtime.training.run_folder import CHECKPOINTS, METRICS, SHEET, SPEC, TRAINED, WEIGHTS, claim_folder
from runtime.training.train import train
from runtime.weights.safetensors_file import load_weights
from tests.support.commands import archspec, refuse
from tests.support.metrics import read_metrics
from tests.support.training import change

NET = load("resnet_digits", {"widths": [4, 4, 4], "depths": [1, 1, 1]})
SETTINGS = Recipe(epochs=3, batch=400, threads=1)
STEPS = 4
"""Of an epoch: 1,437 images."""

Weights = dict[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def epochs() -> list[Weights]:
    """The weights after each epoch, as torch's module holds them when training says that it is over."""
    module, found = to_torch(elaborate(NET, {"H": 8, "W": 8}), seed=0), []
    data = load_data("digits")

    class Keeping(TrainingCallback):
        def on_metrics(self, row: Mapping[str, Any]) -> None:
            if row["kind"] == "evaluation":
                found.append({name: value.numpy().copy() for name, value in module.state_dict().items()})

    train(module, data, SETTINGS, Attendance([Keeping()]))
    return found


def same(found: Weights, expected: Weights) -> bool:
    return found.keys() == expected.keys() and all(np.array_equal(found[key], expected[key]) for key in expected)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stop_at(step: int, error: BaseException) -> Callable[[Progress], None]:
    def stop(progress: Progress) -> None:
        if progress.step == step:
            raise error

    return stop


def train_until(step: int, error: BaseException, folder: Path, **options: Any) -> None:
    with pytest.raises(type(error)) as caught:
        train_into(NET, "digits", SETTINGS, folder=folder, on_step=stop_at(step, error), **options)
    assert caught.value is error


def test_a_whole_run(epochs: list[Weights], tmp_path: Path) -> None:
    result = train_into(NET, "digits", SETTINGS, folder=tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {*TRAINED, CHECKPOINTS, SHEET}
    weights, facts = load_weights(tmp_path / "run" / WEIGHTS)
    assert same(weights, epochs[-1])
    assert not same(weights, epochs[-2])
    assert EPOCH not in facts
    lines = read_metrics(tmp_path / "run" / METRICS)
    assert [line["epoch"] for line in lines if line["kind"] == "evaluation"] == [1, 2, 3]
    assert [line["step"] for line in lines if line["kind"] == "step"] == list(range(1, 3 * STEPS + 1))
    assert lines[-1]["kind"] == "end"
    assert lines[-1]["test_accuracy"] == result.test_scores["accuracy"]


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (STEPS + 1, KeyboardInterrupt()),
        (2 * STEPS + 2, SystemExit(143)),
        (3 * STEPS, DivergedError("the loss became nan")),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else f"step {value}",
)
def test_a_run_that_ends_early_keeps_its_last_epoch(
    error: BaseException, step: int, epochs: list[Weights], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, done = tmp_path / "-my run", (step - 1) // STEPS
    train_until(step, error, folder)
    weights, facts = load_weights(folder / WEIGHTS)
    assert same(weights, epochs[done - 1])
    assert facts[EPOCH] == f"{done} of 3"
    lines = [line["epoch"] for line in read_metrics(folder / METRICS) if line["kind"] == "evaluation"]
    assert lines == list(range(1, done + 1))
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    stopped, *again, use = caplog.messages
    lost = f"; the {step - STEPS * done} after it are lost"
    assert stopped == f"stopped: {STEPS * done} of 12 steps are saved{lost}"
    assert [line.partition("archspec")[0] for line in again] == (
        [] if isinstance(error, DivergedError) else ["to go on: "]
    ), "the same steps would end the same"
    said, _, command = use.partition(": ")
    assert said == f"to use the weights of epoch {done} of 3"
    if step == STEPS + 1:
        archspec(*shlex.split(command)[1:], "--no-verify")
        assert (folder / "model.onnx").is_file()


def test_of_a_training_that_diverged_only_what_works_is_offered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Weights that were saved before the loss was nan, and that nothing was measured of, are no export's; an evaluation
    that is not finite stops a training as well, and what was told of it stays JSON."""
    huge = change(SETTINGS, lr=1e30)
    with pytest.raises(DivergedError, match="the loss became nan at step 2 of 12"):
        train_into(NET, "digits", huge, folder=tmp_path / "step")
    assert caplog.messages == ["stopped: 1 of 12 steps are saved"]
    caplog.clear()
    with pytest.raises(DivergedError, match=r"test images is nan after step 1 of 1 .*; try a learning rate"):
        train_into(NET, "digits", change(huge, epochs=None, steps=1), folder=tmp_path / "evaluation")
    assert caplog.messages == []
    assert not (tmp_path / "evaluation").exists()


@pytest.mark.parametrize("there", [False, True], ids=["no folder", "a folder"])
def test_before_the_first_epoch_is_over_nothing_is_kept(
    there: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    if there:
        folder.mkdir()
    train_until(STEPS, KeyboardInterrupt(), folder)
    assert caplog.messages == ["stopped before anything was saved: nothing of it is kept"]
    assert list(tmp_path.rglob("*")) == ([folder] if there else [])


def test_an_earlier_run_that_stays_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train_into(NET, "digits", change(SETTINGS, epochs=1), folder=tmp_path)
    before = contents(tmp_path)
    train_until(STEPS, KeyboardInterrupt(), tmp_path, force=True)
    told = f"nothing of it is kept, and the earlier run in {tmp_path} is as it was"
    assert caplog.messages == [f"stopped before anything was saved: {told}"]
    assert contents(tmp_path) == before


@pytest.mark.parametrize("done", [1, 2, 3])
def test_what_is_kept_is_told_of_the_weights_that_lie_there(
    done: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A signal comes when the weights of an epoch have their name, before anything else is done."""
    placed: list[Path] = []

    def interrupt(source: Path, target: Path) -> None:
        replace_file(source, target)
        placed.append(target)
        if placed.count(tmp_path / "run" / WEIGHTS) == done:
            signal.raise_signal(signal.SIGINT)

    replace_file = os.replace
    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_into(NET, "digits", SETTINGS, folder=tmp_path / "run")
    assert f"to use the weights of epoch {done} of 3: " in caplog.messages[-1]
    assert load_weights(tmp_path / "run" / WEIGHTS)[1][EPOCH] == f"{done} of 3"


def test_a_mistake_before_the_first_epoch_is_said_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train_until(2, ArchspecError("the loss became nan"), tmp_path / "run")
    assert caplog.records == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [SPEC, WEIGHTS, METRICS])
def test_a_run_is_not_replaced_unasked(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / name).write_text("mine")
    (tmp_path / "notes.txt").write_text("mine too")
    before = contents(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("runtime.data.registry.load_data", None)  # which would take its time
        refuse(
            f"{tmp_path} holds an earlier run ({name}), which is not replaced unasked: choose another folder (-o), or "
            "replace it (--force, in Python force=True)",
            *("train", "resnet_digits", "--data", "digits", "-o", tmp_path),
        )
    assert contents(tmp_path) == before
    if name != WEIGHTS:
        return
    train_until(STEPS, KeyboardInterrupt(), tmp_path, force=True)
    assert contents(tmp_path) == before  # nothing is there yet to take its place
    (told,) = caplog.messages
    assert told.endswith(f"nothing of it is kept, and the earlier run in {tmp_path} is as it was")
    train_until(STEPS + 1, KeyboardInterrupt(), tmp_path, force=True)
    after = contents(tmp_path)
    assert {name.partition("/")[0] for name in after} == {*TRAINED, CHECKPOINTS, SHEET, "notes.txt"}
    assert after[name] != before[name]
    assert after["notes.txt"] == before["notes.txt"]


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_is_being_written_is_left_to_who_writes_it(force: bool, tmp_path: Path) -> None:
    def other(progress: Progress) -> None:
        if progress.step == STEPS + 1:
            wanted = f"being written by a training, process {os.getpid()}: wait" if force else "holds an earlier run"
            with pytest.raises(ArchspecError, match=wanted):
                train_into(NET, "digits", change(SETTINGS, epochs=1, seed=1), folder=tmp_path, force=force)

    train_into(NET, "digits", SETTINGS, folder=tmp_path, on_step=other)
    assert '"seed": 0' in load_weights(tmp_path / WEIGHTS)[1]["archspec.settings"]
    train_into(NET, "digits", change(SETTINGS, epochs=1, seed=1), folder=tmp_path, force=True)  # when it is over


def test_folders_that_nobody_chose_are_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["train", "resnet_digits", "--data", "digits", "--epochs", "1", "--batch", "500"]
    words += ["--set", "widths=[4,4,4]", "--set", "depths=[1,1,1]", "--threads", "1"]
    assert "wrote runs/resnet_digits/" in archspec(*words)
    before = contents(tmp_path / "runs" / "resnet_digits")
    again = CliRunner().invoke(app, words)
    assert "runs/resnet_digits is there already: this run goes to runs/resnet_digits-2" in again.stderr
    assert "wrote runs/resnet_digits-2/" in again.stdout
    assert contents(tmp_path / "runs" / "resnet_digits") == before
    refuse("digits has 10 classes", *words, "--set", "classes=3")  # which leaves no empty folder
    refuse("--force is read by -o RUN alone", *words, "--force")
    assert claim_folder("resnet_digits") == Path("runs/resnet_digits-3")


CHILD = """
import os, signal, sys
from archspec import api
from archspec.cli.main import main

what, step, *sys.argv[1:] = sys.argv[1:]
train = api.train

def stopping(*given, on_step, **options):
    def stop(progress):
        if progress.step == int(step):
            os.kill(os.getpid(), getattr(signal, what))
    return train(*given, on_step=stop, **options)

api.train = stopping
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("SIGKILL", -9),
        pytest.param("SIGHUP", 129, marks=pytest.mark.slow),
        pytest.param("SIGTERM", 143, marks=pytest.mark.slow),
        pytest.param("SIGINT", 130, marks=pytest.mark.slow),
    ],
)
def test_a_process_that_is_stopped(what: str, code: int, epochs: list[Weights], tmp_path: Path) -> None:
    words = ["--set", "widths=[4,4,4]", "--set", "depths=[1,1,1]", "--epochs", "3", "--batch", "400", "--threads", "1"]
    command = ["train", "resnet_digits", "--data", "digits", "-o", str(tmp_path / "run"), *words]
    result = subprocess.run(
        [sys.executable, "-c", CHILD, what, str(2 * STEPS + 2), *command], capture_output=True, text=True
    )
    assert result.returncode == code
    assert "Traceback" not in result.stderr
    weights, facts = load_weights(tmp_path / "run" / WEIGHTS)
    assert same(weights, epochs[1])
    assert facts[EPOCH] == "2 of 3"
    rows = read_metrics(tmp_path / "run" / METRICS)
    assert [row["epoch"] for row in rows if row["kind"] == "evaluation"] == [1, 2]
    assert rows[-1]["step"] == 2 * STEPS + 2
    said = [line for line in result.stderr.splitlines() if line.startswith(("stopped", "to go on", "to use", "ended"))]
    if what == "SIGKILL":
        assert not said
        return
    assert said[0] == f"stopped: {2 * STEPS + 2} of 12 steps are saved"
    assert said[2].startswith("to use the weights of epoch 2 of 3: ")
    assert said[3] == f"ended by {what}"
    words = shlex.split(said[1].removeprefix("to go on: "))
    assert words[-4:] == ["--resume", "auto", "-o", str(tmp_path / "run")]


def test_the_picture_of_training_images_is_there_from_the_beginning(tmp_path: Path) -> None:
    """It goes with a run that failed before anything was saved, and a run that goes on keeps its own."""
    seen: list[bool] = []

    def look(progress: Progress) -> None:
        seen.append((tmp_path / "run" / SHEET).is_file())
        if progress.step == 2:
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        train_into(NET, "digits", SETTINGS, folder=tmp_path / "run", on_step=look)
    assert seen == [True, True]
    assert not (tmp_path / "run" / SHEET).exists()
