"""Pictures of people, or of anything that has joints, and where these are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array, Float32Array
from archspec.errors import InputError
from runtime.data.source import PictureSamples
from runtime.data.stored import StoredImage

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels; a whole number is a pixel's edge."""

MARGIN = 1 / 8
"""The part of a box's extents that is added on each side when it is cut out (1.25 times as large in all)."""

MAX_POSITION = 1 << 24
"""The largest distance, in pixels, of a joint or of a box from a picture's corner: float32 tells those apart."""

SIDES = ("left", "right")
"""The words by which names of joints tell a pair apart."""


@dataclass(frozen=True, eq=False)
class PosedPictures(PictureSamples):
    """Pictures, or cuts out of these, and the joints of each: `poses` (N, J, 3) in float32 has x and y in the whole
    picture's pixels, and the visibility. `boxes` (N, 4) are what is cut out, None where whole pictures are seen."""

    poses: Float32Array = field(default_factory=lambda: np.empty((0, 0, 3), np.float32))
    boxes: npt.NDArray[np.float64] | None = None

    def __getitem__(self, index: int, /) -> tuple[Array, Float32Array]:
        image = self.read(index)
        if self.boxes is None:
            return image, self.poses[index]
        rows, columns = self._cut(index, image.shape[1:])
        return np.ascontiguousarray(image[:, rows, columns]), self._move(index, rows.start, columns.start)

    def read_target(self, index: int) -> Float32Array:
        """Give the joints (J, 3) of one picture, or of what is cut out of it."""
        if self.boxes is None:
            return np.asarray(self.poses[index])
        rows, columns = self._cut(index, super().peek(index).extents)
        return self._move(index, rows.start, columns.start)

    def peek(self, index: int, /) -> StoredImage:
        """Tell the channels and the extents of what is seen. Raises InputError where the file cannot be read, or what
        is to be cut out lies beside the picture."""
        stored = super().peek(index)
        if self.boxes is None:
            return stored
        rows, columns = self._cut(index, stored.extents)
        return StoredImage(stored.channels, (rows.stop - rows.start, columns.stop - columns.start))

    def _cut(self, index: int, extents: Sequence[int]) -> tuple[slice, slice]:
        assert self.boxes is not None
        left, top, right, bottom = self.boxes[index].tolist()
        wide, high = MARGIN * (right - left), MARGIN * (bottom - top)
        columns = slice(max(0, int(np.floor(left - wide))), min(extents[1], int(np.ceil(right + wide))))
        rows = slice(max(0, int(np.floor(top - high))), min(extents[0], int(np.ceil(bottom + high))))
        if columns.start >= columns.stop or rows.start >= rows.stop:
            raise InputError(f"{self.folder / self.names[index]} is cut at a box that lies beside it")
        return rows, columns

    def _move(self, index: int, top: int, left: int) -> Float32Array:
        return np.asarray(self.poses[index] - np.array([left, top, 0], np.float32))


def bound_pose(pose: Float32Array) -> Box:
    """Find the box around the pixels of the joints that are labelled."""
    points = pose[pose[:, 2] > 0, :2].astype(np.float64)
    (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
    return left, top, right + 1, bottom + 1


def find_counterparts(names: Sequence[str]) -> tuple[int, ...] | None:
    """Find for each joint the number of the one that it becomes in a mirror, by `left` and `right` in their names; None
    where no name has these, or one has no counterpart.

    >>> find_counterparts(["nose", "left_eye", "right_eye"])
    (0, 2, 1)
    """
    numbers = {name.lower(): number for number, name in enumerate(names)}
    found = [numbers.get(_mirror(name.lower())) for name in names]
    if None in found or found == list(range(len(names))):
        return None
    return tuple(number for number in found if number is not None)


def _mirror(name: str) -> str:
    left, right = SIDES
    return right.join(part.replace(right, left) for part in name.split(left))
