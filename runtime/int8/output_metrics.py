"""The metric of each output of a model: how its answers are compared with those of the float model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array
from archspec.errors import InputError, raising
from compiler.onnx_file.metadata import STRIDE, TASK
from compiler.onnx_target.onnx_model import OnnxModel
from runtime.int8.data import CalibrationData
from runtime.tasks.grid import OutputGrid
from runtime.tasks.labels import Labels
from runtime.tasks.registry import find_task
from runtime.tasks.task import Task

AnswerCounts = npt.NDArray[np.float64]

NOWHERE = OutputGrid((), ())
"""The place of answers that are only compared with each other."""


class OutputMetric(ABC):
    """A metric of an output, of the float model and of another: counts of several batches are added."""

    @property
    def lower_is_better(self) -> bool:
        """True if it is an error; else it is a share."""
        return False

    @property
    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def count(self, before: Array, after: Array, labels: Array | None) -> AnswerCounts:
        """The counts of a batch of the float model's output, (N, C, *extents), and of the other's."""

    @abstractmethod
    def score(self, counts: AnswerCounts) -> tuple[float, float]:
        """Compute the metric of the float model and of the other."""


@dataclass(frozen=True)
class TaskMetric(OutputMetric):
    """The metric of a task, on images with labels."""

    task: Task
    grid: OutputGrid

    @property
    def name(self) -> str:
        return self.task.metrics[0]

    @property
    def lower_is_better(self) -> bool:
        return self.task.lower_is_better

    def count(self, before: Array, after: Array, labels: Array | None) -> AnswerCounts:
        assert labels is not None
        return np.stack(
            [self.task.count(self.task.decide(output, self.grid), labels, self.grid) for output in (before, after)]
        )

    def score(self, counts: AnswerCounts) -> tuple[float, float]:
        before, after = (self.task.score(counts[place])[self.name] for place in (0, 1))
        return before, after


@dataclass(frozen=True)
class Agreement(OutputMetric):
    """The share of answers (images, joints) that are equal to the float model's."""

    task: Task
    grid: OutputGrid

    name = "agreement"

    def count(self, before: Array, after: Array, labels: Array | None) -> AnswerCounts:
        answers = (self.task.decide(output, self.grid) for output in (before, after))
        return np.array(self.task.count_equal(*answers), np.float64)

    def score(self, counts: AnswerCounts) -> tuple[float, float]:
        return 1.0, float(counts[0] / counts[1])


class MapAgreement(OutputMetric):
    """The agreement of the classes' places with the float model's: intersection over union, the mean over classes. A
    background that is everywhere counts as one of them."""

    name = "agreement"

    def count(self, before: Array, after: Array, labels: Array | None) -> AnswerCounts:
        first, second = before.argmax(1), after.argmax(1)
        sets = (first[first == second], first, second)
        return np.stack([np.bincount(found.ravel(), minlength=before.shape[1]) for found in sets]).astype(np.float64)

    def score(self, counts: AnswerCounts) -> tuple[float, float]:
        both, first, second = counts
        union = first + second - both
        return 1.0, float((both[union > 0] / union[union > 0]).mean())


@raising(InputError)
def choose_metrics(model: OnnxModel, data: CalibrationData) -> Mapping[str, OutputMetric | None]:
    """Choose a metric by output: the task's own for the last, where the data has labels, and else whether the answers
    agree; None where a channel stands alone, whose answer is its number.

    Raises InputError where the last output cannot answer the task, or not the data's.
    """
    shapes = model.graph.infer(data.sizes)
    *others, (last, id) = model.graph.outputs.items()
    return {
        **{name: _choose_agreement(tuple(shapes[other])) for name, other in others},
        last: _choose_last(model, data, tuple(shapes[id])),
    }


def _choose_last(model: OnnxModel, data: CalibrationData, output: tuple[int, ...]) -> OutputMetric | None:
    name = data.held_out.task if data.held_out else model.metadata.get(TASK)
    if name is None:
        return _choose_agreement(output)
    task = find_task(name)
    if data.held_out and task.count_channels(output) != data.held_out.names:
        found, asked = f"{task.count_channels(output)} {task.given}", f"{data.held_out.names} {task.names}"
        raise InputError(f"{model.graph.name} gives {found}; {data.name} has {asked}")
    grid = task.place(data.shape, output, STRIDE.read(model.metadata, model.graph.name))
    if data.held_out:
        return TaskMetric(task, grid)
    return Agreement(task, grid) if task.has_picture else _choose_agreement(output)


def _choose_agreement(output: tuple[int, ...]) -> OutputMetric | None:
    if output[0] == 1:
        return None
    return Agreement(Labels(), NOWHERE) if len(output) == 1 else MapAgreement()
