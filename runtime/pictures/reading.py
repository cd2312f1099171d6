"""From an image file to the array that a network was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.arrays import Array, Float32Array
from archspec.errors import ArchspecError, InputError
from archspec.log import warn
from runtime.pictures.frame import Frame
from runtime.pictures.geometry import Fit, place, place_whole, resize_image
from runtime.pictures.preprocess import Preprocess

if TYPE_CHECKING:
    from runtime.pictures.file import Ground

CHANNELS = (1, 3)
"""The numbers of channels that a picture can have."""


@dataclass(frozen=True, slots=True)
class PictureReading:
    """The way in which a picture became a network's input: the place of its own pixels on that, the largest value of a
    16-bit picture that is nearly black, the ground on which something transparent was laid, and what fills a
    letterbox."""

    frame: Frame
    faint: int | None = None
    ground: Ground | None = None
    fill: tuple[float, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The picture's own height and width, and what was done to it."""
        row: dict[str, Any] = {"size": list(self.frame.own)}
        if self.frame.resized:
            row["resized_to"] = list(self.frame.shown)
        if self.frame.cropped:
            row["cropped_to"] = list(self.frame.image)
        if self.frame.padded:
            row["padded_to"] = list(self.frame.image)
        if self.fill is not None:
            row["fill"] = list(self.fill)
        if self.faint is not None:
            row["largest_of_65535"] = self.faint
        if self.ground is not None:
            row["ground"] = "#" + bytes(self.ground).hex()
        return row


def load_image(path: str | Path, preprocess: Preprocess, ground: Ground | None = None) -> Float32Array:
    """Read a PNG or JPEG as the network does: (C, H, W) in float32, of the extents of training and normalized; what is
    transparent lies on `ground`.

    Raises InputError, naming the file, where it is missing, broken, too large, transparent without a ground, or no
    picture.
    """
    return read_picture(path, preprocess, ground=ground)[0]


def read_picture(
    path: str | Path, preprocess: Preprocess, fit: Fit | None = None, ground: Ground | None = None
) -> tuple[Float32Array, PictureReading]:
    """Read a picture as `load_image` does, and tell how it was read. With a `fit` all of the picture is seen, as
    `place_whole` says."""
    levels, reading = read_levels(path, preprocess, fit, ground)
    return preprocess.normalize(levels), reading


def read_levels(
    path: str | Path, preprocess: Preprocess, fit: Fit | None = None, ground: Ground | None = None
) -> tuple[Array, PictureReading]:
    """Read a picture as `read_picture` does, but for the last step: its levels (C, *extents), uint8 or uint16."""
    from runtime.pictures.file import open_picture  # here, since it needs Pillow, and who exports does not

    if preprocess.channels not in CHANNELS or len(preprocess.size) != 2:
        axes = len(preprocess.size)
        taken = f"{preprocess.channels} channels" if axes == 2 else f"images of {axes} axes"
        raise InputError(f"the network takes {taken}: give it .npy files, not pictures")

    def find_frame(own: Sequence[int]) -> Frame:
        try:
            return place(preprocess, own) if fit is None else place_whole(preprocess, own, fit)
        except ArchspecError as error:
            raise InputError(f"{path}: {error}") from error

    picture = open_picture(path, lambda own: find_frame(own).shown)
    frame = find_frame(picture.size)
    levels = resize_image(picture.take_levels(preprocess.channels, ground), preprocess, frame)
    return levels, PictureReading(frame, picture.faint, ground if picture.alpha is not None else None, preprocess.fill)


class FaintNote:
    """A function of each picture that was read, which warns once of one that is nearly black."""

    def __init__(self) -> None:
        self._told = False

    def __call__(self, path: str | Path, reading: PictureReading) -> None:
        if reading.faint is None or self._told:
            return
        self._told = True
        warn(
            f"{path} uses 16 bits up to {reading.faint:,} of 65,535, and is read as value / 65,535, which is nearly "
            "black: if it was meant to be brighter, scale it first (further ones are not told)"
        )
