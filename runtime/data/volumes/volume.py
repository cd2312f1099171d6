"""A volume: values on a grid, and where the axes of its file lie in space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array, Float64Array
from archspec.errors import InputError

AXES = ("depth", "height", "width")
"""The axes of a volume, in their order: upward, forward and to the right where its file says where it lies (S, A and
R)."""

MAX_VOXELS = 1 << 29
"""The largest number of values of a volume (1,024 by 1,024 by 512): a small file can promise a huge one."""

MAX_SIDE = 1 << 15
"""The largest number of voxels along an axis of a volume."""

MAX_CHANNELS = 1 << 10
"""The largest number of channels of a volume."""

SAME_PLACE = 0.5
"""The most, in voxels, by which the corners of a volume and of its labels may lie apart."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """The places of a file's axes in a volume: depth, height and width are the file's axes `axes`, and those that are
    `flipped` run the other way there."""

    axes: tuple[int, ...] = (0, 1, 2)
    flipped: tuple[bool, ...] = (False, False, False)

    def from_file(self, values: Array) -> Array:
        """Turn values (..., *file's axes) into (..., depth, height, width), as a view."""
        ahead = values.ndim - 3
        turned = values.transpose(*range(ahead), *(ahead + axis for axis in self.axes))
        return turned[(..., *(slice(None, None, -1 if flip else None) for flip in self.flipped))]

    def to_file(self, values: Array) -> Array:
        """Undo `from_file`: (..., depth, height, width) into (..., *file's axes), as a view."""
        straight = values[(..., *(slice(None, None, -1 if flip else None) for flip in self.flipped))]
        ahead = values.ndim - 3
        return straight.transpose(*range(ahead), *(ahead + place for place in np.argsort(self.axes)))


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """The grid of a volume: `orientation` of its file, `spacing` of its voxels along depth, height and width in the
    file's unit (None: the file does not say), and `affine` (4, 4), from an index (depth, height, width, 1) to a point
    (right, front, up, 1); None where the file does not say where the volume lies."""

    orientation: Orientation = Orientation()
    spacing: tuple[float, ...] | None = None
    affine: Float64Array | None = None

    def find_corners(self, extents: Sequence[int]) -> Float64Array | None:
        """Find the points of the first and of the last voxel of each axis, (8, 3), for a volume of these extents."""
        if self.affine is None:
            return None
        ends = np.array([(d, h, w, 1) for d in (0, 1) for h in (0, 1) for w in (0, 1)], np.float64)
        ends[:, :3] *= np.array(extents) - 1
        return np.asarray((ends @ self.affine.T)[:, :3])


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """The values of a file, (channels, depth, height, width) in the type that it holds, in its own `space`.

    `header` are the bytes with which a NIfTI file begins, so that an answer can be written beside it.
    """

    path: str
    values: Array
    space: Space = Space()
    header: bytes = b""

    @property
    def channels(self) -> int:
        """The number of channels."""
        return int(self.values.shape[0])

    @property
    def extents(self) -> tuple[int, ...]:
        """The depth, the height and the width, in voxels."""
        return tuple(map(int, self.values.shape[1:]))


def check_extents(path: str, extents: Sequence[int], channels: int = 1) -> None:
    """Raises InputError unless a volume has three axes of at least one voxel each, and is not too large to be read."""
    shape = " by ".join(f"{extent:,}" for extent in extents)
    if len(extents) != 3 or min(extents) < 1 or channels < 1:
        raise InputError(f"{path} is {shape or 'a single number'}: expected a volume, of three axes, and channels")
    count = channels * int(np.prod(np.array(extents, dtype=object)))
    if max(extents) > MAX_SIDE or channels > MAX_CHANNELS or count > MAX_VOXELS:
        many = f" with {channels:,} channels" if channels > 1 else ""
        raise InputError(
            f"{path} is too large a volume, {shape}{many}: read are at most {MAX_VOXELS:,} values, {MAX_SIDE:,} along "
            f"an axis and {MAX_CHANNELS:,} channels; cut it, or save it with larger voxels"
        )


def check_same_grid(image: Volume, labels: Volume) -> None:
    """Raises InputError unless the labels have the extents of their image, and lie where it does as far as both files
    say that."""
    if image.extents != labels.extents:
        own, found = (" by ".join(map(str, volume.extents)) for volume in (image, labels))
        raise InputError(
            f"{labels.path} is {found} voxels (depth by height by width), and {image.path}, whose labels it holds, is "
            f"{own}: resample the labels onto the image's grid (nearest)"
        )
    here, there = (volume.space.find_corners(image.extents) for volume in (image, labels))
    if here is None or there is None or image.space.spacing is None:
        return
    apart = float(np.abs(here - there).max() / min(image.space.spacing))
    if apart > SAME_PLACE:
        raise InputError(
            f"{labels.path} lies up to {apart:.3g} voxels from {image.path}, whose labels it holds: their headers "
            "(sform or qform) say so; resample the labels onto the image's grid (nearest), or mend the header that is "
            "wrong"
        )


def mirror(places: npt.NDArray[np.intp], extent: int) -> npt.NDArray[np.intp]:
    """Give for places on a line those in [0, extent) that they fall on when the line is folded at the first and at the
    last of them.

    >>> mirror(np.arange(-2, 5), 3).tolist()
    [2, 1, 0, 1, 2, 1, 0]
    """
    if extent == 1:
        return np.zeros_like(places)
    period = 2 * (extent - 1)
    folded = places % period
    return np.minimum(folded, period - folded)
