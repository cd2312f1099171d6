"""From an image file to the array that a network was trained on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from archspec.arrays import Float32Array, Float64Array
from archspec.errors import ArchspecError, InputError, ModelError, raising
from archspec.log import warn
from archspec.strict_json import check_integer, check_keys, check_number, read_json
from archspec.wording import write_shape
from runtime.pictures.frame import Frame

if TYPE_CHECKING:
    from runtime.pictures.file import Ground

PictureSize = tuple[int, int]

MAX_EXTENT = 1 << 15
"""The largest number of pixels along a side of a picture, and of what is measured along it."""

MAX_NUMBERS = 1 << 26
"""The largest number of values in an input, 256 MiB: a file may say any extents, and their product takes memory."""

CHANNELS = (1, 3)


@dataclass(frozen=True, slots=True)
class Preprocess:
    """A network's input: channels × height × width, and per channel the mean and std of values that lay in [0, 1].

    Raises ArchspecError where an extent or a std is not positive, `channels` is not the number of means or of stds, or
    the numbers are too many for the memory, or too large for float32.
    """

    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("channels", "height", "width"):
            check_integer(getattr(self, name), f"preprocessing: '{name}'", most=MAX_EXTENT)
        for name in ("mean", "std"):
            values = getattr(self, name)
            if len(values) != self.channels:
                raise ArchspecError(f"preprocessing: '{name}' needs {self.channels} values, found {len(values)}")
            object.__setattr__(self, name, tuple(check_number(item, f"preprocessing: '{name}'") for item in values))
        if min(self.std) <= 0:
            raise ArchspecError(f"preprocessing: 'std' must be positive, found {min(self.std)}")
        if self.channels * self.height * self.width > MAX_NUMBERS:
            extents = write_shape(self.shape)
            raise ArchspecError(f"preprocessing: an input of {extents} has more than {MAX_NUMBERS:,} numbers")
        largest = max((1 + abs(mean)) / std for mean, std in zip(self.mean, self.std, strict=True))
        if not largest < float(np.finfo(np.float32).max):
            raise ArchspecError("preprocessing: 'mean' and 'std' make numbers that float32 cannot hold")

    @property
    def shape(self) -> tuple[int, int, int]:
        """The channels, the height and the width."""
        return self.channels, self.height, self.width

    def normalize(self, values: npt.ArrayLike) -> Float32Array:
        """Make of values in [0, 1], (..., C, H, W), what the network reads: (values - mean) / std, in float32."""
        return ((np.asarray(values, dtype=np.float64) - self._column(self.mean)) / self._column(self.std)).astype(
            np.float32
        )

    def find_bounds(self) -> tuple[Float32Array, Float32Array]:
        """Find the least and the largest number that each channel of a picture can have, (C) and (C)."""
        darkest, brightest = (self.normalize(np.full((self.channels, 1, 1), end)).ravel() for end in (0, 1))
        return darkest, brightest

    def restore(self, images: npt.ArrayLike) -> Float32Array:
        """The inverse of `normalize`, for showing what the network saw."""
        with np.errstate(over="ignore"):
            values = np.asarray(images, dtype=np.float64) * self._column(self.std) + self._column(self.mean)
            return values.astype(np.float32)

    def to_json(self) -> str:
        """Write the text that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    @raising(ModelError)
    def from_json(cls, text: str) -> Preprocess:
        """Read a file's metadata. Raises ModelError for anything but the five keys with finite values of the right kind
        and number."""
        found = check_keys(read_json(text, "preprocessing"), "preprocessing", [field.name for field in fields(cls)])
        for name in ("mean", "std"):
            if not isinstance(found[name], list):
                raise ModelError(f"preprocessing: '{name}' must be a list of numbers")
        return cls(**{**found, "mean": tuple(found["mean"]), "std": tuple(found["std"])})

    def _column(self, values: Sequence[float]) -> Float64Array:
        return np.asarray(values, dtype=np.float64)[:, None, None]


@dataclass(frozen=True, slots=True)
class PictureReading:
    """The way in which a picture became a network's input: the place of its own pixels on that, the largest value of a
    16-bit picture that is nearly black, and the ground on which something transparent was laid."""

    frame: Frame
    faint: int | None = None
    ground: Ground | None = None

    def to_dict(self) -> dict[str, Any]:
        """The picture's own height and width, and what was done to it."""
        row: dict[str, Any] = {"size": list(self.frame.own)}
        if self.frame.resized:
            row["resized_to"] = list(self.frame.shown)
        if self.frame.padded:
            row["padded_to"] = list(self.frame.image)
        if self.faint is not None:
            row["largest_of_65535"] = self.faint
        if self.ground is not None:
            row["ground"] = "#" + bytes(self.ground).hex()
        return row


def load_image(path: str | Path, preprocess: Preprocess, ground: Ground | None = None) -> Float32Array:
    """Read a PNG or JPEG as the network does: (C, H, W) in float32, resized (bilinear, antialiased) and normalized;
    what is transparent lies on `ground`.

    Raises InputError, naming the file, where it is missing, broken, too large, transparent without a ground, or no
    picture.
    """
    return read_picture(path, preprocess, ground=ground)[0]


def read_picture(
    path: str | Path,
    preprocess: Preprocess,
    fit: Callable[[PictureSize], PictureSize | None] = lambda own: None,
    ground: Ground | None = None,
) -> tuple[Float32Array, PictureReading]:
    """Read a picture as `load_image` does, and tell how it was read.

    `fit` gives the extents, no smaller than a picture's own, at which the network takes it as it is: what they have
    more is behind it and repeats its last row and column. None of them: it is resized to the extents of training.
    """
    from runtime.pictures.file import open_picture  # here, since it needs Pillow, and who exports does not

    if preprocess.channels not in CHANNELS:
        raise InputError(f"the network takes {preprocess.channels} channels: give it .npy files, not pictures")
    picture = open_picture(path)
    fitting = fit(picture.size)
    shown = picture.size if fitting else (preprocess.height, preprocess.width)
    frame = Frame(picture.size, shown, fitting or shown)
    image = preprocess.normalize(picture.paint(preprocess.channels, shown, ground))
    behind = [(0, extent - shown) for extent, shown in zip(frame.image, frame.shown, strict=True)]
    padded = np.pad(image, [(0, 0), *behind], mode="edge") if frame.padded else image
    return padded, PictureReading(frame, picture.faint, ground if picture.alpha is not None else None)


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
