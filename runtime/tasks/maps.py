"""The task of maps: one class for each pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array
from archspec.errors import InputError
from archspec.wording import write_shape
from runtime.pictures.frame import Frame
from runtime.pictures.geometry import NOT_ASKED, resize_map
from runtime.tasks.class_map import UNANSWERED, find_classes
from runtime.tasks.drawing import Areas, Drawing, OverlaySheet, Tile
from runtime.tasks.grid import OutputGrid
from runtime.tasks.task import Answer, AnswerColumn, AnswerInput, ClassScore, ScoreCounts, Task, divide, divide_or_none

if TYPE_CHECKING:
    from torch import Tensor

MAX_DRAWN = 8
"""The largest number of images on a sheet, each twice: with the true map and with the predicted one."""


class Share(NamedTuple):
    """A class by its number and name, and the part of what was asked that is of it."""

    number: int
    name: str
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class ClassMap(Answer):
    """The class of each of an image's own pixels.

    `classes` has the extents of the image and the classes by their numbers, UNANSWERED where the network gives
    none. `shares` are, of the pixels that have a class, the share of each class that is there, in falling order;
    `answered` is the share of those pixels in all.
    """

    classes: Array
    shares: tuple[Share, ...]
    answered: float = 1.0

    @property
    def array(self) -> Array:
        return self.classes

    def to_dict(self) -> dict[str, Any]:
        """Write everything but the map itself."""
        shares = [{"index": number, "class": name, "share": share} for number, name, share in self.shares]
        return {"path": self.path, "extents": list(self.classes.shape), "answered": self.answered, "shares": shares}

    def draw(self) -> Drawing:
        areas = Areas(self.classes, OutputGrid(self.classes.shape, self.classes.shape))
        return Drawing(areas, tuple((number, name) for number, name, _ in self.shares))


class Maps(Task):
    """One class for each pixel, from (N, classes, *extents), or from (N, 1, *extents) for two classes: that one number
    is the second's logit, against 0 for the first. Pixels of the class NOT_ASKED are not asked."""

    name, metrics, asked, per = "maps", ("mean_iou", "pixel_accuracy", "mean_dice"), "pixels", "pixel"
    lower_is_better = False
    needs, needed = "a class for each pixel needs", "an output with places"
    columns = AnswerColumn("pixels"), AnswerColumn("class", "words"), AnswerColumn("share")
    has_probabilities, has_picture, target = True, True, "map"
    losses, balances, ignored = ("cross_entropy", "dice_cross_entropy", "dice", "focal"), True, NOT_ASKED
    least_classes = 2

    def fits(self, output: Sequence[int | str]) -> bool:
        return len(output) >= 2

    def count_channels(self, output: Sequence[int]) -> int:
        return max(2, output[0])

    def prepare_target(self, target: Array, frame: Frame) -> Array:
        """Give the map of the input's pixels, (*image); what is padding is not asked. Raises InputError where the
        stored one is not of its image's extents."""
        if target.shape != frame.own:
            mask, image = write_shape(target.shape, "a single number"), write_shape(frame.own)
            raise InputError(f"a map of {mask} does not lie on its image, which is {image}")
        return np.asarray(resize_map(target, frame, NOT_ASKED), np.int64)

    def make_targets(self, labels: Array, grid: OutputGrid) -> Array:
        return np.ascontiguousarray(labels[(slice(None), *grid.cut())])

    def find_asked(self, targets: Array) -> npt.NDArray[np.bool_]:
        return np.asarray(targets != NOT_ASKED)

    def count_classes(self, target: Array) -> tuple[Array, Array]:
        asked = target[self.find_asked(target)]
        if asked.dtype != np.uint8:
            return np.unique(asked, return_counts=True)
        counts = np.bincount(asked)  # many times as fast
        found = np.flatnonzero(counts)
        return found, counts[found]

    def condense(self, output: Tensor) -> Tensor:
        return (output[:, 0] > 0).long() if output.shape[1] == 1 else output.argmax(1)

    def decide(self, output: Array, grid: OutputGrid) -> Array:
        """Find the classes at the output's positions, (N, *extents); whole numbers are these already."""
        if output.dtype.kind == "i":
            return output
        return (output[:, 0] > 0).astype(np.int64) if output.shape[1] == 1 else output.argmax(1)

    def count(self, answers: Array, labels: Array, grid: OutputGrid) -> ScoreCounts:
        """Count pixels by true class (row) and answer (column), of as many classes as a byte has values."""
        truth = self.make_targets(labels, grid)
        asked = self.find_asked(truth)
        pairs = truth[asked].astype(np.int64) * (NOT_ASKED + 1) + answers[asked]
        return np.bincount(pairs, minlength=(NOT_ASKED + 1) ** 2).reshape(NOT_ASKED + 1, -1).astype(np.float64)

    def score(self, counts: ScoreCounts) -> dict[str, float]:
        """Compute the means of intersection over union, and of Dice's ratio, over the classes that are there or are
        answered, a background among them, and the share of pixels that are right. All pixels of all images are one set,
        so a class that is in few of them counts as any other."""
        right, sizes = np.diag(counts), counts.sum(0) + counts.sum(1)
        known = sizes > 0
        right, sizes, count = right[known], sizes[known], max(int(known.sum()), 1)
        return {
            "mean_iou": float((right / (sizes - right)).sum() / count),
            "pixel_accuracy": divide(right.sum(), counts.sum()),
            "mean_dice": float((2 * right / sizes).sum() / count),
        }

    def score_classes(self, counts: ScoreCounts, names: Sequence[str]) -> tuple[ClassScore, ...]:
        """Compute each class's intersection over union and Dice's ratio; a class that is neither there nor answered has
        none."""
        asked, answered = counts.sum(1), counts.sum(0)
        return tuple(
            ClassScore(name, int(asked[index]), _score_class(counts[index, index], asked[index] + answered[index]))
            for index, name in enumerate(names)
        )

    def answer(self, given: AnswerInput) -> Iterator[ClassMap]:
        for path, frame, output in zip(given.paths, given.frames, given.output, strict=True):
            found = find_classes(output, given.grid, frame)
            asked = found[found != UNANSWERED]
            shares = np.bincount(asked, minlength=len(given.names)) / max(asked.size, 1)
            order = [int(index) for index in np.argsort(-shares, kind="stable") if shares[index]]
            named = tuple(Share(index, given.names[index], float(shares[index])) for index in order)
            yield ClassMap(path, found, named, asked.size / found.size)

    def tabulate(self, row: Mapping[str, Any]) -> Iterator[Sequence[str | None]]:
        extents = write_shape(row["extents"])
        for item in row["shares"]:
            yield extents, item["class"], f"{item['share']:.2%}"
            extents = ""
        if row["answered"] < 1:
            yield extents, None, f"{1 - row['answered']:.2%} of all"

    def illustrate(self, answers: Array, labels: Array, names: Sequence[str], grid: OutputGrid) -> OverlaySheet:
        truth = self.make_targets(labels[:MAX_DRAWN], grid)
        tiles = []
        for index, true in enumerate(truth):
            tiles.append(Tile(index, Areas(np.where(self.find_asked(true), true, 0), grid), f"{index}, true"))
            tiles.append(Tile(index, Areas(answers[index], grid), f"{index}, predicted"))
        return OverlaySheet(tiles, "a colour for each class; true and predicted side by side")


def _score_class(right: float, sizes: float) -> dict[str, float | None]:
    """Compute both from the number of right pixels of a class, and that of its pixels and of those answered to be of it
    together."""
    return {"iou": divide_or_none(right, sizes - right), "dice": divide_or_none(2 * right, sizes)}
