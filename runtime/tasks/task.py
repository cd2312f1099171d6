"""The parts of a task: what a network is asked, and all that the program needs to know of its answers.

A task says how the outputs of a network must lie to its images, what it learns from them (the loss), what it answers,
how good its answers are, and how they are shown. Training, prediction, evaluation and the tables know no more of it:
a new task is one file beside this one, and a name in `runtime.tasks.registry`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array, Float64Array
from archspec.errors import ArchspecError, InputError
from runtime.pictures.frame import Frame
from runtime.tasks.drawing import Drawing, Sheet
from runtime.tasks.grid import OutputGrid, Stride, place_output

if TYPE_CHECKING:
    from torch import Tensor

ScoreCounts = Float64Array

Loss: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"
"""A function of an output and its targets, both (N, ...), which gives a scalar."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer(ABC):
    """The answer for one image of a file.

    `path` is the file, with the image's number behind it (`digits.npy[3]`) where the file holds several.
    """

    path: str

    @property
    @abstractmethod
    def array(self) -> Array:
        """The answer in numbers, as `archspec run -o` keeps it."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The answer as `archspec run --json` prints it."""

    def draw(self) -> Drawing | None:
        """The drawing of the answer over its image; None where it has none."""
        return None


@dataclass(frozen=True, slots=True, eq=False)
class AnswerInput:
    """An output for N images, (N, C, *extents), where it lies on them, and what is known of both.

    `paths` are the images' files, `frames` the places of their own pixels on the network's input, `names` those of the
    C channels, `metadata` the model's. `top` is how many of the likeliest classes are wanted.
    """

    paths: Sequence[str]
    frames: Sequence[Frame]
    output: Array
    grid: OutputGrid
    names: Sequence[str]
    metadata: Mapping[str, str]
    top: int


class AnswerColumn(NamedTuple):
    """A column in the table of answers; names are wrapped or cut where there is no room, figures never."""

    title: str
    holds: Literal["figures", "words"] = "figures"
    style: str = ""


@dataclass(frozen=True, slots=True)
class ClassScore:
    """The scores of one class, or of one joint: how often it is `asked` (in so many images, or pixels), and its metrics
    by name; None where nothing says how good it is."""

    name: str
    asked: int
    scores: Mapping[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Give the figures as JSON's types, each score under its metric's name."""
        return {"name": self.name, "asked": self.asked, **self.scores}


class Task(ABC):
    """One kind of question to a network. A class that lacks a part is refused with TypeError when it is made."""

    name: ClassVar[str]
    """The word for the task, on the command line and in files."""
    metrics: ClassVar[tuple[str, ...]]
    """The names of its scores. The first is the main one, by which networks are compared."""
    lower_is_better: ClassVar[bool]
    """True if the main score is an error, in a unit of its own; else it is a share, of which more is better."""
    asked: ClassVar[str]
    """The plural of what it answers for: images, pixels, joints."""
    needs: ClassVar[str]
    """The beginning of a sentence about the output that it needs, which ends with `needed`."""
    needed: ClassVar[str]
    """The output that it needs, in words."""
    values: ClassVar[str] = "numbers"
    """The plural of what a channel of its output holds."""
    per: ClassVar[str] = "image"
    """The singular of what an output has such values for."""
    outputs: ClassVar[str] = "outputs"
    """The plural of what its output consists of, as tables name it."""
    channel: ClassVar[str] = "class"
    """The singular of what a channel of its output stands for."""
    names: ClassVar[str] = "classes"
    """The plural of the same."""
    columns: ClassVar[tuple[AnswerColumn, ...]]
    """The columns in the table of its answers, behind the one that names the files."""
    has_probabilities: ClassVar[bool]
    """True if softmax along the channels of its output gives the probabilities of classes."""
    has_picture: ClassVar[bool]
    """True if its answers are said of places in an image: they are drawn over it, and it is read at its own size."""
    target: ClassVar[Literal["whole", "map", "points"]] = "whole"
    """What a data set stores of an image: something that is said of it as a whole; a class for each of its pixels; or
    positions in them."""
    ranked: ClassVar[bool] = False
    """True if an answer names several of the likeliest classes."""
    needs_names: ClassVar[bool] = False
    """True if only models are asked that name their classes and say how pictures become their input."""
    first_colour: ClassVar[int] = 0
    """The number of the colour of its first channel; 0 is that of a background."""
    class_params: ClassVar[tuple[str, ...]] = ("classes", "num_classes")
    """What the param of a spec may be called that says how many channels its output has."""
    mirrors: ClassVar[bool] = False
    """True if what its channels stand for changes places in a mirror, as left and right do."""
    losses: ClassVar[tuple[str, ...]] = ()
    """The losses of `runtime.training.losses` that it learns by, the usual one first; without any, `compute_loss`."""
    balances: ClassVar[bool] = False
    """True if its cross-entropy weighs the classes by how often they are, unless a recipe says otherwise."""
    least_classes: ClassVar[int] = 1
    """The fewest classes, or joints, of data from which something is learned: one class is what everything is of."""
    ignored: ClassVar[int | None] = None
    """The class of what is not asked, where it has one."""

    def __init_subclass__(cls) -> None:
        missing = [name for name in Task.__annotations__ if not hasattr(cls, name)]
        missing += [name for name in sorted(Task.__abstractmethods__) if getattr(cls, name) is getattr(Task, name)]
        if not cls.losses and cls.compute_loss is Task.compute_loss:
            missing.append("losses (or compute_loss)")
        if missing:
            raise TypeError(f"the task {cls.__name__} lacks {', '.join(missing)}")

    @property
    def given(self) -> str:
        """The plural of what an output gives, as in "numbers per image"."""
        return f"{self.values} per {self.per}"

    @abstractmethod
    def fits(self, output: Sequence[int | str]) -> bool:
        """Tell whether an output of this shape, without batch, has the axes that the task needs."""

    @abstractmethod
    def count_channels(self, output: Sequence[int]) -> int:
        """Count the names that the channels of an output of this shape, without batch, have."""

    def place(self, image: Sequence[int], output: Sequence[int], stride: Stride | None = None) -> OutputGrid:
        """Find the grid of an output on an image, given the shapes of both without batch, channels first.

        Raises ArchspecError for an output that cannot answer the task.
        """
        self.check_fit(output)
        return place_output(image[1:], output[1:], stride)

    def check_fit(self, output: Sequence[int]) -> None:
        """Raises ArchspecError unless an output of this shape, without batch, has the axes that the task needs."""
        if not self.fits(output):
            shape = f"({', '.join(map(str, output))}{',' * (len(output) == 1)})"
            raise ArchspecError(f"{self.needs} {self.needed}, found {shape} per image")

    def prepare_target(self, target: Array, frame: Frame) -> Array:
        """Make a label of what a data set stores for one image, which `frame` lays on the network's input."""
        return target

    def make_targets(self, labels: Array, grid: OutputGrid) -> Array:
        """Make the targets that outputs are compared with in the loss, from a data set's labels, both (N, ...)."""
        return labels

    def find_asked(self, targets: Array) -> npt.NDArray[np.bool_]:
        """Find the mask of the targets for which an answer is asked, of their shape."""
        return np.ones(targets.shape, np.bool_)

    def compute_loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """Compute the mean loss over images of an output (N, C, *extents): that of a task without `losses`."""
        raise NotImplementedError(f"{self.name} learn by {', '.join(self.losses)}")

    def count_classes(self, target: Array) -> tuple[Array, Array]:
        """Find the classes in what a data set stores for one image, and how often each is asked there. Raises
        InputError where the task has none."""
        raise InputError(f"the task {self.name} has no classes that could be balanced")

    @abstractmethod
    def decide(self, output: Array, grid: OutputGrid) -> Array:
        """Find the answers of an output, (N, ...), in pixels of the network's input or at the output's positions."""

    @abstractmethod
    def count(self, answers: Array, labels: Array, grid: OutputGrid) -> ScoreCounts:
        """Count right and wrong; the counts of several batches are added."""

    def condense(self, output: Tensor) -> Tensor:
        """Make what `decide` needs of an output, so that less is brought from another device: it says the same of
        both."""
        return output.float()

    def count_output(self, output: Array, labels: Array, grid: OutputGrid) -> ScoreCounts:
        """Count what an output (N, C, *extents) says of right and wrong: its answers, and where a task looks further,
        the likeliest next ones."""
        return self.count(self.decide(output, grid), labels, grid)

    @abstractmethod
    def score(self, counts: ScoreCounts) -> dict[str, float]:
        """Compute the metrics by name, from counts."""

    def score_classes(self, counts: ScoreCounts, names: Sequence[str]) -> tuple[ClassScore, ...]:
        """Compute the metrics of each class, or joint, by its name, from the counts of outputs; none where the task has
        none."""
        return ()

    def rank(self, score: float) -> float:
        """Give the main score, negated where lower is better: the best network has the highest."""
        return -score if self.lower_is_better else score

    def count_equal(self, first: Array, second: Array) -> tuple[int, int]:
        """Count the equal ones in two sets of answers, and all of them."""
        return int((first == second).sum()), first.size

    @abstractmethod
    def answer(self, given: AnswerInput) -> Iterator[Answer]:
        """Give the answers for the images of an output in turn, in the images' own pixels."""

    @abstractmethod
    def tabulate(self, row: Mapping[str, Any]) -> Iterator[Sequence[str | None]]:
        """Write the lines of a table under `columns` for one answer, as `Answer.to_dict` has it; None says "no
        answer"."""

    @abstractmethod
    def illustrate(self, answers: Array, labels: Array, names: Sequence[str], grid: OutputGrid) -> Sheet:
        """Make the sheet of held-out images, in order: what `decide` answered for them, beside a data set's labels."""

    def choose_samples(self, labels: Array, names: Sequence[str], count: int) -> dict[int, str | None]:
        """Choose the indices of some images that stand for a data set, each with the name of its class if it has one:
        the first `count`."""
        return dict.fromkeys(range(min(count, len(labels))))


def divide_or_none(part: float, whole: float) -> float | None:
    """Divide, and give None where `whole` is zero: where nothing was asked, nothing is known."""
    return float(part / whole) if whole else None


def divide(part: float, whole: float) -> float:
    """Divide, and give zero where `whole` is zero: where nothing was asked, nothing was right."""
    return float(part / whole) if whole else 0.0
