"""What a network is asked: labels of images, maps of classes, or the positions of joints.

A task says how the outputs of a network must lie to its images, what it learns from them (the loss), what it answers,
and how good its answers are. Training, prediction and evaluation know tasks alone, and a new one is a class here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array
from archspec.errors import ArchspecError, suggest
from runtime.tasks.grid import Grid, place_output
from runtime.tasks.heatmaps import draw_heatmaps, find_peaks

if TYPE_CHECKING:
    from torch import Tensor

Counts = npt.NDArray[np.float64]

IGNORED = 255
"""The class of pixels that are not asked: they have no loss, and no metric counts them."""

REACH = 1 / 16
"""A joint is found where it is at most this part of the image's longer side away from the true one."""


class Task(ABC):
    """One kind of question.

    `metrics` are the names of its figures, the main one first; `asked` is what it answers for. A `channel` of its
    output, which is what is `needed`, stands for one of `names` and holds one of the numbers that are `given`.
    `shifted` says that an image may move by some pixels and its answer stays, `located` that the answer is said of
    places in the picture.
    """

    name: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    asked: ClassVar[str]
    channel: ClassVar[str] = "class"
    names: ClassVar[str] = "classes"
    needed: ClassVar[str]
    given: ClassVar[str]
    shifted: ClassVar[bool] = False
    located: ClassVar[bool] = False

    @abstractmethod
    def place(self, image: Sequence[int], output: Sequence[int], stride: int | None = None) -> Grid:
        """Where an output lies on the image, given the shapes of both without batch, channels first.

        Raises ArchspecError for an output that cannot answer the task.
        """

    @abstractmethod
    def answers(self, output: Sequence[int | str]) -> bool:
        """Whether an output of this shape, without batch, has the axes that the task needs."""

    @abstractmethod
    def count_channels(self, output: Sequence[int]) -> int:
        """How many names the channels of an output of this shape, without batch, have."""

    def make_targets(self, labels: Array, grid: Grid) -> Array:
        """What the outputs are compared with in the loss, from a data set's labels."""
        return labels

    def balance(self, labels: Array, classes: int) -> npt.NDArray[np.float32]:
        """How much each class counts in the loss of training, from the training labels: all alike."""
        return np.ones(classes, np.float32)

    @abstractmethod
    def compute_loss(
        self, output: Tensor, targets: Tensor, smoothing: float = 0.0, balance: Tensor | None = None
    ) -> Tensor:
        """The loss of one output; `smoothing` is that of labels, `balance` the weights of the classes, if any."""

    @abstractmethod
    def decide(self, output: Array, grid: Grid) -> Array:
        """The answers of an output, an array with a row for each image."""

    @abstractmethod
    def count(self, answers: Array, labels: Array, grid: Grid) -> Counts:
        """Counts of right and wrong; those of several batches are added."""

    @abstractmethod
    def score(self, counts: Counts) -> dict[str, float]:
        """The metrics by name, from counts."""

    def count_equal(self, first: Array, second: Array) -> tuple[int, int]:
        """How many of two sets of answers are equal, and how many there are."""
        return int((first == second).sum()), first.size


class Labels(Task):
    """One class for each image, from (N, classes)."""

    name, metrics, asked, given, shifted = "labels", ("accuracy",), "images", "numbers per image", True
    needed = "one row of numbers"

    def place(self, image: Sequence[int], output: Sequence[int], stride: int | None = None) -> Grid:
        if not self.answers(output):
            raise ArchspecError(f"an image's label needs {self.needed}, found {_show(output)}")
        return Grid((), ())

    def answers(self, output: Sequence[int | str]) -> bool:
        return len(output) == 1

    def count_channels(self, output: Sequence[int]) -> int:
        return output[0]

    def compute_loss(
        self, output: Tensor, targets: Tensor, smoothing: float = 0.0, balance: Tensor | None = None
    ) -> Tensor:
        from torch.nn import functional as F

        return F.cross_entropy(output, targets, label_smoothing=smoothing)

    def decide(self, output: Array, grid: Grid) -> Array:
        return np.asarray(output.argmax(1))

    def count(self, answers: Array, labels: Array, grid: Grid) -> Counts:
        return np.array([(answers == labels).sum(), len(labels)], np.float64)

    def score(self, counts: Counts) -> dict[str, float]:
        return {"accuracy": _divide(counts[0], counts[1])}


class Maps(Task):
    """One class for each pixel, from (N, classes, *extents), or from (N, 1, *extents) for two classes: that one number
    is the second's logit, against 0 for the first. Pixels of the class IGNORED are not asked."""

    name, metrics, asked, given = "maps", ("mean_iou", "pixel_accuracy"), "pixels", "numbers per pixel"
    needed = "an output with places"
    located = True

    def place(self, image: Sequence[int], output: Sequence[int], stride: int | None = None) -> Grid:
        if not self.answers(output):
            raise ArchspecError(f"a class for each pixel needs {self.needed}, found {_show(output)}")
        return place_output(image[1:], output[1:], stride)

    def answers(self, output: Sequence[int | str]) -> bool:
        return len(output) >= 2

    def count_channels(self, output: Sequence[int]) -> int:
        return max(2, output[0])

    def balance(self, labels: Array, classes: int) -> npt.NDArray[np.float32]:
        """1/√frequency, scaled so that the mean pixel counts 1: where most pixels are background, the loss is else
        nearly blind to the rest. (Ronneberger et al., 2015, weigh the classes' pixels by frequency too.)"""
        counts = np.bincount(labels[labels != IGNORED].ravel(), minlength=classes)
        weights = np.divide(1, np.sqrt(counts), out=np.zeros(classes), where=counts > 0)
        return np.asarray(weights * counts.sum() / (weights @ counts), np.float32)

    def make_targets(self, labels: Array, grid: Grid) -> Array:
        return np.ascontiguousarray(labels[(slice(None), *grid.cut())])

    def compute_loss(
        self, output: Tensor, targets: Tensor, smoothing: float = 0.0, balance: Tensor | None = None
    ) -> Tensor:
        import torch
        from torch.nn import functional as F

        both = torch.cat([torch.zeros_like(output), output], 1) if output.shape[1] == 1 else output
        return F.cross_entropy(both, targets, weight=balance, ignore_index=IGNORED)

    def decide(self, output: Array, grid: Grid) -> Array:
        return (output[:, 0] > 0).astype(np.int64) if output.shape[1] == 1 else output.argmax(1)

    def count(self, answers: Array, labels: Array, grid: Grid) -> Counts:
        """Pixels by true class (row) and answer (column); as many classes as a byte has values."""
        truth = self.make_targets(labels, grid)
        asked = truth != IGNORED
        pairs = truth[asked].astype(np.int64) * (IGNORED + 1) + answers[asked]
        return np.bincount(pairs, minlength=(IGNORED + 1) ** 2).reshape(IGNORED + 1, -1).astype(np.float64)

    def score(self, counts: Counts) -> dict[str, float]:
        """Mean over classes of intersection over union, of those that are there or are answered; share of pixels."""
        right = np.diag(counts)
        union = counts.sum(0) + counts.sum(1) - right
        ratios = right[union > 0] / union[union > 0]
        return {
            "mean_iou": float(ratios.sum() / max(len(ratios), 1)),
            "pixel_accuracy": _divide(right.sum(), counts.sum()),
        }


class Joints(Task):
    """A position for each joint, from heatmaps (N, joints, height, width)."""

    name, metrics, asked, given = "joints", ("pck", "mean_distance"), "joints", "heatmaps per image"
    needed = "a heatmap for each, (joints, height, width)"
    channel, names, located = "joint", "joints", True

    def place(self, image: Sequence[int], output: Sequence[int], stride: int | None = None) -> Grid:
        if not self.answers(output):
            raise ArchspecError(f"joints need {self.needed}, found {_show(output)}")
        return place_output(image[1:], output[1:], stride)

    def answers(self, output: Sequence[int | str]) -> bool:
        return len(output) == 3

    def count_channels(self, output: Sequence[int]) -> int:
        return output[0]

    def make_targets(self, labels: Array, grid: Grid) -> Array:
        return draw_heatmaps(labels, grid)

    def compute_loss(
        self, output: Tensor, targets: Tensor, smoothing: float = 0.0, balance: Tensor | None = None
    ) -> Tensor:
        """The mean squared error over images, joints and positions (Newell et al., 2016, section 3.4)."""
        from torch.nn import functional as F

        return F.mse_loss(output, targets)

    def decide(self, output: Array, grid: Grid) -> Array:
        return find_peaks(output, grid)

    def count(self, answers: Array, labels: Array, grid: Grid) -> Counts:
        """Joints found, joints that are there, and the sum of the distances in pixels."""
        distances = np.hypot(*np.moveaxis(answers[..., :2] - labels, -1, 0))
        there = distances[np.isfinite(distances)]
        return np.array([(there <= REACH * max(grid.image)).sum(), len(there), there.sum()])

    def score(self, counts: Counts) -> dict[str, float]:
        return {"pck": _divide(counts[0], counts[1]), "mean_distance": _divide(counts[2], counts[1])}

    def count_equal(self, first: Array, second: Array) -> tuple[int, int]:
        """Equal positions; the heights of the peaks may differ by rounding."""
        equal = (first[..., :2] == second[..., :2]).all(-1)
        return int(equal.sum()), equal.size


TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in (Labels(), Maps(), Joints())})


def find_task(name: str) -> Task:
    """The task of that name; ArchspecError lists what there is."""
    if name not in TASKS:
        raise ArchspecError(f"no task '{name}'{suggest(name, TASKS)} (available: {', '.join(TASKS)})")
    return TASKS[name]


def _divide(part: float, whole: float) -> float:
    """Zero of nothing: where nothing was asked, nothing was right."""
    return float(part / whole) if whole else 0.0


def _show(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)}) per image"
