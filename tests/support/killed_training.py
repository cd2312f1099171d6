"""Trainings that are killed by SIGKILL at any moment, also while they save, and taken up again: what they leave is held
against what an uninterrupted one leaves, bit for bit.

`python -m tests.support.kill_often --count 20` kills at twenty random moments, and tells what it saw; with
`--processes 2` one of two processes that train together.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import archspec
from archspec.api import load
from runtime.data.dataset import Dataset
from runtime.recipes.recipe import Recipe
from runtime.training.checkpoint import read_checkpoint
from runtime.training.manifest import Manifest
from runtime.training.run_folder import CHECKPOINTS, MANIFEST, METRICS, WEIGHTS
from tests.support.models import make_data

RECIPE = Recipe.model_validate(
    {
        "steps": 30,
        "batch": 16,
        "accumulate": 2,
        "ema": 0.9,
        "clip": 1.0,
        "evaluate_every": 7,
        "checkpoint_every": 3,
        "optimizer": {"name": "adamw", "lr": 0.01},
        "threads": 1,
    }
)
NETWORK: list[Any] = [{"conv": 8}, "norm", "relu", {"dropout": 0.2}, "flatten", {"linear": 3}]
SPEC = {"archspec": 1, "name": "killed", "inputs": {"x": [1, 4, 4]}, "network": NETWORK}
EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link")
"""What a training does in its folder, as Python's audit hooks hear of it."""

TIMES = ("seconds", "samples_per_second")
"""What is not the same again."""


def make_images() -> Dataset:
    data = make_data()
    return dataclasses.replace(data, validation=data.test)


def train_once(folder: str, resume: str, kill_at: int | None, counted: Any = None) -> None:
    """Train in this process, which is killed at its event of this number in the folder; or count the events."""
    events = 0

    def hear(event: str, given: tuple[Any, ...]) -> None:
        nonlocal events
        if event in EVENTS and any(folder in str(name) for name in given if isinstance(name, str | os.PathLike)):
            events += 1
            if events == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)
    spec = load(str(Path(folder).with_name("spec.json")))
    archspec.train(spec, make_images(), RECIPE, folder=folder, resume=resume, force=resume == "never")
    if counted is not None:
        counted.value = events


def train_in_child(folder: Path, kill_at: int | None = None, kill_after: float | None = None) -> tuple[int | None, int]:
    """Train in a process of its own, from the newest checkpoint if there is one; killed at an event, or so many
    seconds after its first line of metrics. Gives its exit code and the number of its events, where it ends itself."""
    resume = "auto" if (folder / CHECKPOINTS / MANIFEST).exists() else "never"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.killed_training"])
    counted = context.Value("i", 0)
    size = measure_metrics(folder)
    child = context.Process(target=train_once, args=(str(folder), resume, kill_at, counted))
    child.start()
    if kill_after is not None:
        while child.is_alive() and measure_metrics(folder) == size:
            time.sleep(0.001)
        time.sleep(kill_after)
        child.kill()
    child.join()
    return child.exitcode, counted.value


def measure_metrics(folder: Path) -> int:
    """The length of a run's metrics, 0 where there are none."""
    with suppress(FileNotFoundError):
        return (folder / METRICS).stat().st_size
    return 0


def prepare(folder: Path) -> Path:
    """A folder for a run, with the spec beside it."""
    folder.with_name("spec.json").write_text(json.dumps(SPEC), encoding="utf-8")
    return folder


def read_result(folder: Path) -> dict[str, Any]:
    """All that a finished run says, but for times: its newest checkpoint, its best one, its weights, its metrics."""
    manifest = Manifest.read(folder / CHECKPOINTS)
    found: dict[str, Any] = {"best": manifest.best, "checkpoints": [item.step for item in manifest.checkpoints]}
    for checkpoint in manifest.checkpoints:
        snapshot = read_checkpoint(folder / CHECKPOINTS, checkpoint)
        for name, part in snapshot.tensors.items():
            found |= {f"{checkpoint.name} {name} {key}": value.numpy().tobytes() for key, value in part.items()}
        found[f"{checkpoint.name} state"] = _drop_times(snapshot.state)
    found["weights"] = (folder / WEIGHTS).read_bytes()
    lines = (folder / METRICS).read_text(encoding="utf-8").splitlines()
    found["metrics"] = [_drop_times(json.loads(line)) for line in lines]
    return found


def compare(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """The names of what differs."""
    return [name for name in {**expected, **found} if found.get(name) != expected.get(name)]


def _drop_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _drop_times(item) for key, item in value.items() if key not in TIMES}
    return [_drop_times(item) for item in value] if isinstance(value, list) else value
