"""A run is never overwritten unasked, and one that ends early leaves the weights of its last finished epoch."""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
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
from runtime.training.loop import train
from runtime.training.metrics import Progress
from runtime.training.recipe import Recipe
from runtime.training.run_folder import METRICS, SPEC, WEIGHTS, claim_folder
from runtime.weights.safetensors_file import load_weights
from tests.support.commands import archspec, refuse
from tests.support.metrics import read_metrics

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
    keep: Callable[[object], None] = lambda epoch: found.append(  # noqa: E731
        {name: value.numpy().copy() for name, value in module.state_dict().items()}
    )
    train(module, data, SETTINGS, on_epoch=keep)
    return found


def same(found: Weights, expected: Weights) -> bool:
    return found.keys() == expected.keys() and all(np.array_equal(found[key], expected[key]) for key in expected)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stop_at(step: int, error: BaseException) -> Callable[[Progress], None]:
    def stop(progress: Progress) -> None:
        if progress.step == step:
            raise error

    return stop


def train_until(step: int, error: BaseException, folder: Path, **options: Any) -> None:
    with pytest.raises(type(error)) as caught:
        train_into(NET, "digits", folder, SETTINGS, on_step=stop_at(step, error), **options)
    assert caught.value is error


def test_a_whole_run(epochs: list[Weights], tmp_path: Path) -> None:
    result = train_into(NET, "digits", tmp_path / "run", SETTINGS)
    assert sorted(contents(tmp_path / "run")) == sorted([METRICS, SPEC, WEIGHTS])
    weights, facts = load_weights(tmp_path / "run" / WEIGHTS)
    assert same(weights, epochs[-1])
    assert not same(weights, epochs[-2])
    assert EPOCH not in facts
    lines = read_metrics(tmp_path / "run" / METRICS)
    assert [line.get("epoch") for line in lines] == [1, 2, 3, None]
    assert lines[-1]["test_accuracy"] == result.test_scores["accuracy"]


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (STEPS + 1, KeyboardInterrupt()),
        (2 * STEPS + 2, SystemExit(143)),
        (3 * STEPS, ArchspecError("the loss became nan")),
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
    assert [line["epoch"] for line in read_metrics(folder / METRICS)] == list(range(1, done + 1))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    said, _, command = record.getMessage().partition(": ")
    assert said == f"stopped after epoch {done} of 3, whose weights are kept"
    if step == STEPS + 1:
        archspec(*shlex.split(command)[1:], "--no-verify")
        assert (folder / "model.onnx").is_file()


@pytest.mark.parametrize("there", [False, True], ids=["no folder", "a folder"])
def test_before_the_first_epoch_is_over_nothing_is_kept(
    there: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    if there:
        folder.mkdir()
    train_until(STEPS, KeyboardInterrupt(), folder)
    assert [record.getMessage() for record in caplog.records] == [
        "stopped before the first epoch was finished: nothing of it is kept"
    ]
    assert list(tmp_path.rglob("*")) == ([folder] if there else [])


def test_an_earlier_run_that_stays_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Unless another training has taken its place meanwhile."""
    train_into(NET, "digits", tmp_path, replace(SETTINGS, epochs=1))
    before = contents(tmp_path)
    train_until(STEPS, KeyboardInterrupt(), tmp_path, force=True)
    told = f"nothing of it is kept, and the earlier run in {tmp_path} is as it was"
    assert caplog.messages == [f"stopped before the first epoch was finished: {told}"]
    assert contents(tmp_path) == before

    def other(progress: Progress) -> None:
        train_into(NET, "digits", tmp_path, replace(SETTINGS, epochs=1, seed=1), force=True)
        raise KeyboardInterrupt

    caplog.clear()
    with pytest.raises(KeyboardInterrupt):
        train_into(NET, "digits", tmp_path, SETTINGS, on_step=other, force=True)
    assert caplog.messages == ["stopped before the first epoch was finished: nothing of it is kept"]


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
        train_into(NET, "digits", tmp_path / "run", SETTINGS)
    (message,) = caplog.messages
    assert message.startswith(f"stopped after epoch {done} of 3, whose weights are kept: ")
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
    assert sorted(after) == sorted([SPEC, WEIGHTS, METRICS, "notes.txt"])
    assert after[name] != before[name]
    assert after["notes.txt"] == before["notes.txt"]


def test_two_runs_into_one_folder_at_a_time_do_not_mix(tmp_path: Path) -> None:
    def other(progress: Progress) -> None:
        if progress.step == 1:
            train_into(NET, "digits", tmp_path, replace(SETTINGS, epochs=1, seed=1))

    with pytest.raises(ArchspecError, match="holds an earlier run"):
        train_into(NET, "digits", tmp_path, SETTINGS, on_step=other)
    assert '"seed": 1' in load_weights(tmp_path / WEIGHTS)[1]["archspec.settings"]
    assert len(read_metrics(tmp_path / METRICS)) == 2


def test_of_two_runs_that_replace_each_other_the_earlier_one_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def other(progress: Progress) -> None:
        if progress.step == STEPS + 1:
            train_into(NET, "digits", tmp_path, replace(SETTINGS, epochs=1, seed=1), force=True)

    with pytest.raises(ArchspecError, match="was replaced meanwhile, by another training"):
        train_into(NET, "digits", tmp_path, SETTINGS, on_step=other, force=True)
    assert not caplog.messages  # nothing of it is kept
    assert '"seed": 1' in load_weights(tmp_path / WEIGHTS)[1]["archspec.settings"]
    assert len(read_metrics(tmp_path / METRICS)) == 2


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
    assert json.loads((tmp_path / "run" / METRICS).read_text().splitlines()[-1])["epoch"] == 2
    said = [line for line in result.stderr.splitlines() if "whose weights are kept" in line]
    assert len(said) == (what != "SIGKILL")
