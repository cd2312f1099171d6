"""What a model answers for one image: a label, a map of classes, or the positions of joints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array
from compiler.onnx_file.metadata import OUTPUT, SHARES
from runtime.pictures.frame import Frame
from runtime.tasks.class_map import UNANSWERED, find_classes
from runtime.tasks.grid import Grid
from runtime.tasks.heatmaps import find_peaks


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


class Share(NamedTuple):
    """A class by its number and name, and the part of what was asked that is of it."""

    number: int
    name: str
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class ClassMap:
    """The class of each of an image's own pixels, by number: in integers, UNANSWERED where the network gives none. Of
    the pixels that have one, the share of each class that is there, in falling order; `answered` is their own share of
    all."""

    path: str
    array: Array
    shares: tuple[Share, ...]
    answered: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Everything but the map itself."""
        shares = [{"index": number, "class": name, "share": share} for number, name, share in self.shares]
        return {"path": self.path, "extents": list(self.array.shape), "answered": self.answered, "shares": shares}


@dataclass(frozen=True, slots=True)
class Joint:
    """A position in the image's own pixels, whole at a pixel's centre, and the height of its heatmap there."""

    name: str
    x: float
    y: float
    score: float


@dataclass(frozen=True, slots=True)
class Pose:
    """The joints of one image."""

    path: str
    joints: tuple[Joint, ...]

    @property
    def array(self) -> Array:
        """A row for each joint: x, y, score."""
        return np.array([(joint.x, joint.y, joint.score) for joint in self.joints], np.float64).reshape(-1, 3)

    def to_dict(self) -> dict[str, Any]:
        joints = [{"joint": item.name, "x": item.x, "y": item.y, "score": item.score} for item in self.joints]
        return {"path": self.path, "joints": joints}


Answer: TypeAlias = Prediction | ClassMap | Pose


@dataclass(frozen=True, slots=True, eq=False)
class AnswerInput:
    """An output for some images, (N, ...), where it lies on them, and what is known of both: the images' files, where
    their own pixels lie on the network's input, the names of the channels, the model's metadata. `top` is how many
    labels are wanted."""

    paths: Sequence[str]
    frames: Sequence[Frame]
    output: Array
    grid: Grid
    names: Sequence[str]
    metadata: Mapping[str, str]
    top: int


def softmax(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Along axis 1, logits to probabilities; the largest is subtracted first, so that nothing overflows."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _answer_labels(given: AnswerInput) -> Iterator[Prediction]:
    logits = given.output.astype(np.float64)
    shares = logits if OUTPUT.read(given.metadata) == SHARES else softmax(logits)
    for path, row in zip(given.paths, shares, strict=True):
        order = np.argsort(-row, kind="stable")[: max(given.top, 1)]
        ranked = tuple((given.names[index], float(row[index])) for index in order)
        yield Prediction(path, ranked[0][0], int(order[0]), ranked[0][1], ranked)


def _answer_maps(given: AnswerInput) -> Iterator[ClassMap]:
    for path, frame, output in zip(given.paths, given.frames, given.output, strict=True):
        found = find_classes(output, given.grid, frame)
        asked = found[found != UNANSWERED]
        shares = np.bincount(asked, minlength=len(given.names)) / max(asked.size, 1)
        order = [int(index) for index in np.argsort(-shares, kind="stable") if shares[index]]
        named = tuple(Share(index, given.names[index], float(shares[index])) for index in order)
        yield ClassMap(path, found, named, asked.size / found.size)


def _answer_joints(given: AnswerInput) -> Iterator[Pose]:
    for path, frame, output in zip(given.paths, given.frames, given.output, strict=True):
        shown = output[(slice(None), *_cut_padding(given.grid, frame))]
        rows = find_peaks(shown[None], given.grid)[0].tolist()
        joints = [
            Joint(name, frame.to_own(x, 1), frame.to_own(y, 0), score)
            for name, (x, y, score) in zip(given.names, rows, strict=True)
        ]
        yield Pose(path, tuple(joints))


def _cut_padding(grid: Grid, frame: Frame) -> Iterator[slice]:
    """Along each axis the positions whose centres lie on the image, at least one."""
    for axis, extent in enumerate(grid.extents):
        last = grid.from_pixel(frame.shown[axis] - 0.5, axis)
        yield slice(0, max(1, min(extent, int(np.floor(last)) + 1)))


ANSWERS: Mapping[str, Callable[[AnswerInput], Iterator[Answer]]] = MappingProxyType(
    {"labels": _answer_labels, "maps": _answer_maps, "joints": _answer_joints}
)
"""By the task's name, the answers for a given's images, in order."""
