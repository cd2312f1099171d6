"""What an int8 model loses against the float model it was made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError
from compiler.onnx_target.built import OnnxModel
from runtime.int8.calibrate import choose_batch, create_cpu_session
from runtime.int8.data import CalibrationData
from runtime.question import read_stride
from runtime.run_folder import TASK
from runtime.tasks.grid import Grid
from runtime.tasks.task import TASKS, Task, find_task

Array = npt.NDArray[Any]
Batch = tuple[Array, Array | None]

COMPARED = 32
"""Images on which models that differ in one layer are compared."""

NOWHERE = Grid((), ())
"""Where answers lie that are only compared with each other."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What int8 loses on `images`: a metric before and after, and the signal-to-noise ratio of the last output in dB,
    10 log10(Σ float² / Σ (float - int8)²), None where both are equal.

    The metric is the task's own on held-out images with labels; without labels it is `agreement`, the share of answers
    (images, positions, joints) that are equal to the float model's.
    """

    metric: str
    before: float
    after: float
    images: int
    sqnr_db: float | None

    @property
    def drop(self) -> float:
        return self.before - self.after


class Judge:
    """Runs models beside the float model, on held-out images where there are labels, else on those of the ranges."""

    def __init__(self, model: OnnxModel, data: CalibrationData) -> None:
        self.data, self.held_out = data, data.held_out
        self.batch = choose_batch(model.graph, data.shape)
        self.run = _open(model)
        last = list(model.graph.outputs.values())[-1]
        self.task, self.grid = _find_task(model, data, tuple(model.graph[last].shape))
        self.metric = self.task.metrics[0] if self.held_out else "agreement"

    def measure_loss(self, model: OnnxModel) -> Loss:
        run, noise = _open(model), _Noise()
        counts, seen = np.zeros(()), 0
        for images, labels in self._batches():
            before, after = self.run(images), run(images)
            noise.add(before, after)
            counts = counts + self._count(self._decide(before), self._decide(after), labels)
            seen += len(images)
        return Loss(self.metric, self._score(counts[0]), self._score(counts[1]), seen, noise.ratio_in_db)

    def measure_error(self, model: OnnxModel) -> float:
        """√(Σ (float - other)² / Σ float²) of the last output, on a few images."""
        run, noise = _open(model), _Noise()
        for images in self.data.first(COMPARED).batches(self.batch):
            noise.add(self.run(images), run(images))
        return noise.ratio

    def _batches(self) -> Iterator[Batch]:
        if self.held_out is None:
            yield from ((images, None) for images in self.data.batches(self.batch))
            return
        for start in range(0, len(self.held_out.images), self.batch):
            part = slice(start, start + self.batch)
            yield self.held_out.images[part], self.held_out.labels[part]

    def _count(self, before: Array, after: Array, labels: Array | None) -> Array:
        """The counts of both sides."""
        if labels is not None:
            return np.stack([self.task.count(answers, labels, self.grid) for answers in (before, after)])
        equal, of = self.task.count_equal(before, after)
        return np.array([[of, of], [equal, of]], np.float64)

    def _score(self, counts: Array) -> float:
        return self.task.score(counts)[self.metric] if self.held_out else float(counts[0] / counts[1])

    def _decide(self, output: Array) -> Array:
        return self.task.decide(output, self.grid)


class _Noise:
    """Sums of squares of the float model's numbers, and of what another's differ by."""

    def __init__(self) -> None:
        self.signal = self.noise = 0.0

    def add(self, before: Array, after: Array) -> None:
        self.signal += float(np.sum(np.square(before, dtype=np.float64)))
        self.noise += float(np.sum(np.square(np.subtract(before, after, dtype=np.float64))))

    @property
    def ratio(self) -> float:
        return float(np.sqrt(self.noise / self.signal)) if self.signal else float(self.noise > 0)

    @property
    def ratio_in_db(self) -> float | None:
        return round(-20 * float(np.log10(self.ratio)), 2) if self.noise else None


def _open(model: OnnxModel) -> Callable[[Array], Array]:
    """From images to a model's last output."""
    session = create_cpu_session(model)
    fed, given = model.head.graph.input[0].name, model.head.graph.output[-1].name
    return lambda images: np.asarray(session.run([given], {fed: images})[0])


def _find_task(model: OnnxModel, data: CalibrationData, output: tuple[int, ...]) -> tuple[Task, Grid]:
    """The task of the data or of the model, and where its answers lie; else the largest channel is the answer.

    Raises ArchspecError where the output cannot answer the task, or not the data's question.
    """
    name = data.held_out.task if data.held_out else model.metadata.get(TASK)
    if name is None:
        return TASKS["labels" if len(output) == 1 else "maps"], NOWHERE
    task = find_task(name)
    if data.held_out and task.count_channels(output) != data.held_out.names:
        found, asked = f"{task.count_channels(output)} {task.given}", f"{data.held_out.names} {task.names}"
        raise ArchspecError(f"{model.graph.name} gives {found}; {data.name} has {asked}")
    return task, task.place(data.shape, output, read_stride(model.metadata, model.graph.name))
