"""The metrics of a training: after each step, after each epoch, and in the file of its metrics."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from archspec.errors import InputError
from runtime.tasks.task import ScoreCounts, Task


@dataclass(frozen=True, slots=True)
class Progress:
    """The figures after a step: loss and score run over the epoch so far; `step` of `steps` counts through all epochs.

    `score` is the value of the task's main metric, called `metric`.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    metric: str
    score: float
    learning_rate: float
    samples_per_second: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch, counted from 1: means over its (varied) training images, and the last step's learning rate."""

    epoch: int
    loss: float
    metric: str
    score: float
    learning_rate: float
    seconds: float
    samples_per_second: float

    def to_dict(self) -> dict[str, Any]:
        """Give the epoch as plain values; the score stands under its metric's name."""
        names = ("learning_rate", "seconds", "samples_per_second")
        return {"epoch": self.epoch, "loss": self.loss, self.metric: self.score} | {
            name: getattr(self, name) for name in names
        }


@dataclass(slots=True)
class EpochMeter:
    """The means over the images of an epoch, as far as it is, and how fast they went by."""

    task: Task
    images: int = 0
    total_loss: float = 0.0
    counts: ScoreCounts = field(default_factory=lambda: np.zeros(()))
    start: float = field(default_factory=time.perf_counter)

    def add(self, images: int, loss: float, counts: ScoreCounts) -> None:
        """Add a step: the mean loss of its images, and the task's counts of right and wrong."""
        self.images += images
        self.total_loss += loss * images
        self.counts = self.counts + counts

    @property
    def loss(self) -> float:
        """The mean loss of an image."""
        return self.total_loss / self.images

    @property
    def metric(self) -> str:
        """The name of the task's main metric."""
        return self.task.metrics[0]

    @property
    def score(self) -> float:
        """The value of the task's main metric."""
        return self.task.score(self.counts)[self.metric]

    @property
    def seconds(self) -> float:
        """The seconds since the epoch began."""
        return time.perf_counter() - self.start

    @property
    def samples_per_second(self) -> float:
        """The images of this epoch over its seconds."""
        return self.images / max(self.seconds, 1e-9)


def append_metrics(path: str | Path, values: Mapping[str, Any]) -> None:
    """Add one JSON object as a line of its own, which can be read at once. Raises InputError where it cannot be
    written."""
    try:
        with open(path, "a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(values, allow_nan=False) + "\n")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
