"""The task of joints: a position for each, from heatmaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array
from runtime.pictures.frame import Frame
from runtime.pictures.geometry import move_points
from runtime.tasks.drawing import Drawing, OverlaySheet, Points, Tile
from runtime.tasks.grid import OutputGrid
from runtime.tasks.heatmaps import draw_heatmaps, find_peaks
from runtime.tasks.task import Answer, AnswerColumn, AnswerInput, ClassScore, ScoreCounts, Task, divide, divide_or_none

MAX_DISTANCE = 1 / 16
"""The largest distance of a joint that is found from the true one, as a share of the image's longer side."""

MAX_DRAWN = 16
"""The largest number of images on a sheet."""


@dataclass(frozen=True, slots=True)
class Joint:
    """A position in the image's own pixels, whole at a pixel's centre, and the height of its heatmap there."""

    name: str
    x: float
    y: float
    score: float


@dataclass(frozen=True, slots=True)
class Pose(Answer):
    """The joints of one image."""

    joints: tuple[Joint, ...]

    @property
    def array(self) -> Array:
        """A row for each joint: x, y, score."""
        return np.array([(joint.x, joint.y, joint.score) for joint in self.joints], np.float64).reshape(-1, 3)

    def to_dict(self) -> dict[str, Any]:
        joints = [{"joint": item.name, "x": item.x, "y": item.y, "score": item.score} for item in self.joints]
        return {"path": self.path, "joints": joints}

    def draw(self) -> Drawing:
        return Drawing(Points(self.array), tuple((number, item.name) for number, item in enumerate(self.joints, 1)))


class Joints(Task):
    """A position for each joint, from heatmaps (N, joints, height, width)."""

    name, metrics, asked, values = "joints", ("pck", "mean_distance"), "joints", "heatmaps"
    lower_is_better = False
    needs, needed = "joints need", "a heatmap for each, (joints, height, width)"
    channel, names, first_colour = "joint", "joints", 1
    columns = AnswerColumn("joint", "words"), AnswerColumn("x"), AnswerColumn("y"), AnswerColumn("score")
    has_probabilities, has_picture, target = False, True, "points"
    losses, mirrors = ("mse",), True
    class_params = "joints", "keypoints", "landmarks", *Task.class_params

    def fits(self, output: Sequence[int | str]) -> bool:
        return len(output) == 3

    def count_channels(self, output: Sequence[int]) -> int:
        return output[0]

    def prepare_target(self, target: Array, frame: Frame) -> Array:
        """Give the positions (J, 2) in the input's pixels, NaN where a visibility (the third of (J, 3)) is 0, or where
        the input does not show them."""
        moved = move_points(target, frame)
        points, ends = moved[:, :2], np.array(frame.image[::-1]) - 0.5
        inside = ((points >= -0.5) & (points <= ends)).all(1, keepdims=True)
        there = inside & (moved[:, 2:] > 0).all(1, keepdims=True)
        return np.where(there, points, np.float32(np.nan))

    def make_targets(self, labels: Array, grid: OutputGrid) -> Array:
        """Draw heatmaps (N, joints, height, width) of positions (N, joints, 2), or (N, joints, 3) with COCO's
        visibility; NaN where a joint is not labelled, or not on the image: that is no place to learn silence at."""
        asked = self._find_labelled(labels, grid)[..., None, None]
        return np.where(asked, draw_heatmaps(labels[..., :2], grid), np.float32(np.nan))

    def find_asked(self, targets: Array) -> npt.NDArray[np.bool_]:
        return np.isfinite(targets)

    def decide(self, output: Array, grid: OutputGrid) -> Array:
        """Find rows x, y in pixels of the image and the height of the peak, (N, joints, 3)."""
        return find_peaks(output, grid)

    def count(self, answers: Array, labels: Array, grid: OutputGrid) -> ScoreCounts:
        """Count for each joint the images where it is found and where it is asked, and add up the distances in pixels,
        (3, joints)."""
        asked = self._find_labelled(labels, grid)
        distances = np.where(asked, np.hypot(*np.moveaxis(answers[..., :2] - labels[..., :2], -1, 0)), 0)
        near = asked & (distances <= MAX_DISTANCE * max(grid.image))
        return np.stack([near.sum(0), asked.sum(0), distances.sum(0)]).astype(np.float64)

    def score(self, counts: ScoreCounts) -> dict[str, float]:
        """Compute the share of joints within MAX_DISTANCE, and the mean distance in pixels."""
        found, asked, distance = counts.sum(1)
        return {"pck": divide(found, asked), "mean_distance": divide(distance, asked)}

    def score_classes(self, counts: ScoreCounts, names: Sequence[str]) -> tuple[ClassScore, ...]:
        """Compute the same of each joint; one that is nowhere asked has none."""
        return tuple(
            ClassScore(
                name,
                int(asked),
                {"pck": divide_or_none(found, asked), "mean_distance": divide_or_none(distance, asked)},
            )
            for name, found, asked, distance in zip(names, *counts, strict=True)
        )

    def _find_labelled(self, labels: Array, grid: OutputGrid) -> npt.NDArray[np.bool_]:
        """The mask (N, joints) of those that are labelled, hidden ones too, and lie on the image."""
        extents = np.array(grid.image[::-1], np.float64)
        on_image = (labels[..., :2] >= -0.5) & (labels[..., :2] <= extents - 0.5)  # false for NaN
        asked = on_image.all(-1)
        return np.asarray(asked & (labels[..., 2] > 0) if labels.shape[-1] > 2 else asked)

    def count_equal(self, first: Array, second: Array) -> tuple[int, int]:
        """Count equal positions; the heights of the peaks may differ by rounding."""
        equal = (first[..., :2] == second[..., :2]).all(-1)
        return int(equal.sum()), equal.size

    def answer(self, given: AnswerInput) -> Iterator[Pose]:
        for path, frame, output in zip(given.paths, given.frames, given.output, strict=True):
            kept = tuple(_cut_padding(given.grid, frame))
            rows = find_peaks(output[(slice(None), *kept)][None], given.grid)[0].tolist()
            top, left = (part.start * stride for part, stride in zip(kept, given.grid.strides, strict=True))
            joints = [
                Joint(name, frame.to_own(x + left, 1), frame.to_own(y + top, 0), score)
                for name, (x, y, score) in zip(given.names, rows, strict=True)
            ]
            yield Pose(path, tuple(joints))

    def tabulate(self, row: Mapping[str, Any]) -> Iterator[Sequence[str]]:
        for item in row["joints"]:
            yield item["joint"], f"{item['x']:.2f}", f"{item['y']:.2f}", f"{item['score']:.3f}"

    def illustrate(self, answers: Array, labels: Array, names: Sequence[str], grid: OutputGrid) -> OverlaySheet:
        both = zip(answers[:MAX_DRAWN], labels[:MAX_DRAWN], strict=True)
        tiles = [Tile(index, Points(found, true), str(index)) for index, (found, true) in enumerate(both)]
        return OverlaySheet(tiles, f"a colour for each joint ({', '.join(names)}); dots predicted, rings true")


def _cut_padding(grid: OutputGrid, frame: Frame) -> Iterator[slice]:
    """Keep along each axis the positions whose centres lie on the image, at least one."""
    for axis, (extent, filled) in enumerate(zip(grid.extents, frame.find_filled(), strict=True)):
        first, last = (grid.from_pixel(edge - 0.5, axis) for edge in (filled.start, filled.stop))
        begin = min(extent - 1, max(0, int(np.ceil(first))))
        yield slice(begin, max(begin + 1, min(extent, int(np.floor(last)) + 1)))
