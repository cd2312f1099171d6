"""The metrics of a training: after each step, at each evaluation, and in the file of its metrics."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from archspec.errors import ArchspecError, InputError
from archspec.strict_json import read_json
from runtime.tasks.task import ScoreCounts, Task


@dataclass(frozen=True, slots=True)
class Progress:
    """The figures after a step: loss and score run over the images since the last evaluation; `step` of `steps` counts
    through all epochs.

    `score` is the value of the task's main metric, called `metric`; `memory` the bytes that the process has of the
    machine's memory, None where the system does not say.
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
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """One step, counted from 1, of the epoch, counted from 1: the loss of its images, the norm of its gradient before
    clipping, how far the weights moved as a part of their own norm, and the `seconds` since the training began, of
    evaluations too, without those in which it lay still."""

    step: int
    epoch: int
    loss: float
    learning_rate: float
    gradient_norm: float
    update_ratio: float | None
    samples_per_second: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Give the step as a line of the metrics."""
        # Of float16's gradients some are infinite now and then, and the step is passed over; and a step that is far too
        # large is told before the next one finds what it did.
        return {"kind": "step"} | {name: _write_figure(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Measured:
    """The loss and the scores of some images, the task's main score first; the loss is the sum of the outputs', and the
    scores are those of the last one."""

    images: int
    loss: float
    scores: Mapping[str, float]

    def to_dict(self, part: str) -> dict[str, Any]:
        """Give the figures as plain values, named after the part of the data that these images are."""
        named = {"loss": self.loss, **self.scores}
        figures = {f"{part}_{name}": _write_figure(value) for name, value in named.items()}
        return {f"{part}_images": self.images} | figures


@dataclass(frozen=True, slots=True)
class EvaluatedStep:
    """One evaluation, after a step in an epoch, both counted from 1: the means over the (varied) training images since
    the last one, what was `measured` of the `part` of the data, validation or test, the `seconds` since the training
    began, and whether it is the `best` so far, None where nothing is chosen."""

    step: int
    epoch: int
    loss: float
    metric: str
    score: float
    learning_rate: float
    seconds: float
    samples_per_second: float
    part: str
    measured: Measured
    best: bool | None

    def to_dict(self) -> dict[str, Any]:
        """Give it as a line of the metrics; the score of the training images stands under its metric's name, what was
        measured under `validation_` or `test_` and its name."""
        names = ("learning_rate", "seconds", "samples_per_second")
        row = {"kind": "evaluation", "step": self.step, "epoch": self.epoch, "loss": self.loss, self.metric: self.score}
        return row | self.measured.to_dict(self.part) | {name: getattr(self, name) for name in (*names, "best")}


@dataclass(slots=True)
class Meter:
    """The means over the training images since the last evaluation, and the `seconds` of their steps: of waiting for
    images too, and of nothing else that a training does."""

    task: Task
    images: int = 0
    total_loss: float = 0.0
    counts: ScoreCounts = field(default_factory=lambda: np.zeros(()))
    seconds: float = 0.0

    def add(self, images: int, loss: float, counts: ScoreCounts, seconds: float) -> None:
        """Add a step: the mean loss of its images, the task's counts of right and wrong, and how long it took."""
        self.images += images
        self.total_loss += loss * images
        self.counts = self.counts + counts
        self.seconds += seconds

    @property
    def loss(self) -> float:
        """The mean loss of an image."""
        return self.total_loss / max(self.images, 1)

    @property
    def metric(self) -> str:
        """The name of the task's main metric."""
        return self.task.metrics[0]

    @property
    def score(self) -> float:
        """The value of the task's main metric."""
        return self.task.score(self.counts)[self.metric]

    @property
    def samples_per_second(self) -> float:
        """The images since the last evaluation over the seconds of their steps."""
        return self.images / max(self.seconds, 1e-9)

    def to_dict(self) -> dict[str, Any]:
        """Write the sums, of which `load` makes a meter again; of the counts those that are not zero."""
        places = np.flatnonzero(self.counts)
        counts = [[int(place), float(self.counts.flat[place])] for place in places]
        sums = {"images": self.images, "total_loss": self.total_loss, "seconds": self.seconds}
        return {**sums, "shape": list(self.counts.shape), "counts": counts}

    @classmethod
    def load(cls, task: Task, written: Mapping[str, Any]) -> Meter:
        """Make the meter whose sums were written."""
        counts = np.zeros(written["shape"])
        for place, value in written["counts"]:
            counts.flat[place] = value
        return cls(task, written["images"], written["total_loss"], counts, written["seconds"])


def _write_figure(value: float | None) -> float | None:
    """Give a figure as JSON has it: none where it is not finite."""
    return value if value is not None and math.isfinite(value) else None


def format_metrics(rows: Iterable[Mapping[str, Any]]) -> str:
    """Write JSON objects, each in a line of its own."""
    return "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)


def append_metrics(path: str | Path, row: Mapping[str, Any]) -> None:
    """Add one JSON object as a line of its own, which can be read at once. Raises InputError where it cannot be
    written."""
    try:
        with open(path, "a", encoding="utf-8", newline="\n") as file:
            file.write(format_metrics([row]))
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def read_metrics(path: Path, step: int) -> list[dict[str, Any]]:
    """Read the lines of a file that are of no later step than this one; lines that a kill has cut off are passed over.
    Raises InputError where the file cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    rows = []
    for line in lines:
        with suppress(ArchspecError):
            row = read_json(line, str(path))
            found = row.get("step") if isinstance(row, dict) else None
            if isinstance(found, int) and found <= step:
                rows.append(row)
    return rows
