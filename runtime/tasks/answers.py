"""What a model answers for one image: a label, a map of classes, or the positions of joints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from compiler.ensemble import OUTPUT, SHARES
from runtime.tasks.grid import Grid
from runtime.tasks.task import TASKS

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The likeliest class of one image, and the likeliest few with their probabilities, in falling order.

    `path` is the file, with the image's number behind it (`digits.npy[3]`) where the file holds several.
    """

    path: str
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


@dataclass(frozen=True, slots=True, eq=False)
class ClassMap:
    """The class of each position of an image, by number, and the share of the positions of each class that is there, in
    falling order."""

    path: str
    array: npt.NDArray[np.int64]
    shares: tuple[tuple[str, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the map itself."""
        shares = [{"class": name, "share": share} for name, share in self.shares]
        return {"path": self.path, "extents": list(self.array.shape), "shares": shares}


@dataclass(frozen=True, slots=True)
class Joint:
    """A position in pixels of the file, whole at a pixel's centre, and the height of its heatmap there."""

    name: str
    x: float
    y: float
    score: float


@dataclass(frozen=True, slots=True)
class Pose:
    """The joints of one image. `array` has a row for each in pixels of the network's input: x, y, score."""

    path: str
    joints: tuple[Joint, ...]
    array: Array

    def to_dict(self) -> dict[str, Any]:
        joints = [{"joint": item.name, "x": item.x, "y": item.y, "score": item.score} for item in self.joints]
        return {"path": self.path, "joints": joints}


Answer: TypeAlias = Prediction | ClassMap | Pose


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """An output for some images, (N, ...), where it lies on them, and what is known of both: the images' files, how
    many of a file's pixels make one of the network's (height, width), the names of the channels, the model's
    metadata. `top` is how many labels are wanted."""

    paths: Sequence[str]
    scales: Sequence[tuple[float, float]]
    output: Array
    grid: Grid
    names: Sequence[str]
    metadata: Mapping[str, str]
    top: int


def softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Along axis 1, logits to probabilities; the largest is subtracted first, so that nothing overflows."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _answer_labels(sheet: Sheet) -> Iterator[Prediction]:
    shares = sheet.output if sheet.metadata.get(OUTPUT) == SHARES else softmax(sheet.output)
    for path, row in zip(sheet.paths, shares, strict=True):
        order = np.argsort(-row, kind="stable")[: max(sheet.top, 1)]
        ranked = tuple((sheet.names[index], float(row[index])) for index in order)
        yield Prediction(path, ranked[0][0], int(order[0]), ranked[0][1], ranked)


def _answer_maps(sheet: Sheet) -> Iterator[ClassMap]:
    for path, found in zip(sheet.paths, TASKS["maps"].decide(sheet.output, sheet.grid), strict=True):
        shares = np.bincount(found.ravel(), minlength=len(sheet.names)) / found.size
        order = [index for index in np.argsort(-shares, kind="stable") if shares[index]]
        yield ClassMap(path, found, tuple((sheet.names[index], float(shares[index])) for index in order))


def _answer_joints(sheet: Sheet) -> Iterator[Pose]:
    found = TASKS["joints"].decide(sheet.output, sheet.grid)
    for path, scale, rows in zip(sheet.paths, sheet.scales, found, strict=True):
        joints = [
            Joint(name, (x + 0.5) * scale[1] - 0.5, (y + 0.5) * scale[0] - 0.5, score)
            for name, (x, y, score) in zip(sheet.names, rows.tolist(), strict=True)
        ]
        yield Pose(path, tuple(joints), rows)


ANSWERS: Mapping[str, Callable[[Sheet], Iterator[Answer]]] = MappingProxyType(
    {"labels": _answer_labels, "maps": _answer_maps, "joints": _answer_joints}
)
"""By the task's name, the answers for a sheet's images, in order."""
