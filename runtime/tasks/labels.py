"""The task of labels: one class for each image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archspec.arrays import Array, Float64Array
from compiler.onnx_file.metadata import OUTPUT, SHARES
from runtime.pictures.frame import Frame
from runtime.tasks.drawing import LabelSheet
from runtime.tasks.grid import OutputGrid, Stride
from runtime.tasks.task import Answer, AnswerColumn, AnswerInput, ClassScore, ScoreCounts, Task, divide, divide_or_none

RANKS = 5
"""The number of the likeliest classes among which the true one is looked for, besides the first."""

MIN_RANKED = 20
"""The least number of classes of which the likeliest five are few."""


@dataclass(frozen=True, slots=True)
class Prediction(Answer):
    """The likeliest class of one image, and the likeliest few with their probabilities, in falling order."""

    label: str
    index: int
    probability: float
    top: tuple[tuple[str, float], ...]

    @property
    def array(self) -> Array:
        return np.array(self.index)

    def to_dict(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "label": self.label,
            "index": self.index,
            "probability": self.probability,
            "top": [{"label": label, "probability": probability} for label, probability in self.top],
        }


class Labels(Task):
    """One class for each image, from (N, classes)."""

    name, metrics, asked, outputs = "labels", ("accuracy",), "images", "logits"
    lower_is_better = False
    needs, needed = "an image's label needs", "one row of numbers"
    columns = AnswerColumn("label", "words", "bold"), AnswerColumn("probability"), AnswerColumn("next", "words")
    has_probabilities, has_picture, ranked, needs_names = True, False, True, True
    losses, least_classes = ("cross_entropy", "focal"), 2

    def fits(self, output: Sequence[int | str]) -> bool:
        return len(output) == 1

    def count_channels(self, output: Sequence[int]) -> int:
        return output[0]

    def place(self, image: Sequence[int], output: Sequence[int], stride: Stride | None = None) -> OutputGrid:
        self.check_fit(output)
        return OutputGrid((), ())

    def prepare_target(self, target: Array, frame: Frame) -> Array:
        return np.asarray(target, np.int64)

    def count_classes(self, target: Array) -> tuple[Array, Array]:
        return np.asarray(target, np.int64).reshape(1), np.ones(1, np.int64)

    def decide(self, output: Array, grid: OutputGrid) -> Array:
        return np.asarray(output.argmax(1))

    def count(self, answers: Array, labels: Array, grid: OutputGrid) -> ScoreCounts:
        """Count the right ones, and all. Mixed labels, shares (N, classes), are taken for the largest."""
        return np.array([(answers == _find_heaviest(labels)).sum(), len(labels)], np.float64)

    def count_output(self, output: Array, labels: Array, grid: OutputGrid) -> ScoreCounts:
        """Count for each class the images that are rightly answered to be of it, that are of it, that are answered to
        be of it, and that are of it with it among the likeliest RANKS: (4, classes)."""
        answers, true, classes = self.decide(output, grid), _find_heaviest(labels), output.shape[1]
        ranks = min(RANKS, classes)
        likeliest = np.argpartition(-output, ranks - 1, axis=1)[:, :ranks]
        among = (likeliest == true[:, None]).any(1)
        groups = (true[answers == true], true, answers, true[among])
        return np.stack([np.bincount(group, minlength=classes) for group in groups]).astype(np.float64)

    def score(self, counts: ScoreCounts) -> dict[str, float]:
        """Compute the share of right answers; from outputs of MIN_RANKED classes or more, also that of images whose
        class is among the likeliest RANKS."""
        rows = counts.reshape(len(counts), -1)
        right, asked, *more = rows.sum(1)
        scores = {"accuracy": divide(right, asked)}
        if more and rows.shape[1] >= MIN_RANKED:
            scores["top5_accuracy"] = divide(more[1], asked)
        return scores

    def score_classes(self, counts: ScoreCounts, names: Sequence[str]) -> tuple[ClassScore, ...]:
        """Compute recall, the share of a class's images that are answered to be of it, and precision, the share of
        those so answered that are."""
        return tuple(
            ClassScore(
                name, int(asked), {"recall": divide_or_none(right, asked), "precision": divide_or_none(right, answered)}
            )
            for name, right, asked, answered in zip(names, *counts[:3], strict=True)
        )

    def answer(self, given: AnswerInput) -> Iterator[Prediction]:
        logits = given.output.astype(np.float64)
        shares = logits if OUTPUT.read(given.metadata) == SHARES else softmax(logits)
        for path, row in zip(given.paths, shares, strict=True):
            order = np.argsort(-row, kind="stable")[: max(given.top, 1)]
            ranked = tuple((given.names[index], float(row[index])) for index in order)
            yield Prediction(path, ranked[0][0], int(order[0]), ranked[0][1], ranked)

    def tabulate(self, row: Mapping[str, Any]) -> Iterator[Sequence[str]]:
        others = ", ".join(f"{one['label']} {one['probability']:.1%}" for one in row["top"][1:])
        yield row["label"], f"{row['probability']:.1%}", others

    def illustrate(self, answers: Array, labels: Array, names: Sequence[str], grid: OutputGrid) -> LabelSheet:
        return LabelSheet([names[index] for index in labels], [names[index] for index in answers])

    def choose_samples(self, labels: Array, names: Sequence[str], count: int) -> dict[int, str | None]:
        """Choose the first image of each class."""
        firsts = [(name, np.flatnonzero(labels == number)[:1]) for number, name in enumerate(names)]
        return {int(index): name for name, found in firsts for index in found}


def _find_heaviest(labels: Array) -> Array:
    return labels.argmax(1) if labels.ndim > 1 else labels


def softmax(logits: Float64Array) -> Float64Array:
    """Compute the probabilities of logits (N, classes, ...); the largest is subtracted first, so that nothing
    overflows."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
