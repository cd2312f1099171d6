"""Files as a model takes them: at which size pictures are read, in which type numbers, and which files have failed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError, InputError, ModelError, raising
from archspec.log import warn
from archspec.wording import cut_middle, write_shape
from compiler.onnx_file.metadata import PREPROCESS
from runtime.pictures.file import Ground
from runtime.pictures.folder import find_pictures
from runtime.pictures.geometry import Extents
from runtime.pictures.preprocess import Preprocess
from runtime.pictures.reading import PictureReading, read_picture
from runtime.prediction.task_spec import explain_missing
from runtime.session.array_file import cast, load_array
from runtime.session.session import Session
from runtime.session.sizes import check_together

T = TypeVar("T")

MAX_OWN_PIXELS = 1 << 24
"""The largest number of pixels of a picture that is answered at its own size (4,096 by 4,096): what a network keeps of
each may be 100 times what the pixel takes itself."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that has no answer, and why."""

    path: str
    error: ArchspecError

    def to_dict(self) -> dict[str, Any]:
        return {"path": self.path, "error": cut_middle(str(self.error))}


@dataclass(frozen=True, slots=True)
class Reader:
    """The way in which files are read for a model: `whole` says that all of a picture is seen, as large as it is where
    the model takes that; `ground` is what transparent ones lie on."""

    session: Session
    preprocess: Preprocess | None
    whole: bool = False
    ground: Ground | None = None

    @raising(InputError)
    def read(self, path: str | Path) -> tuple[Array, PictureReading | None]:
        """Read a file's images in the model's own type, (N, C, *extents), and tell how that was done if it is a
        picture.

        Raises InputError, naming the file, where it is unreadable or of another shape, and ModelError where the model
        does not say how pictures become its input.
        """
        name, dtype = only_input(self.session)
        if Path(path).suffix.lower() == ".npy":
            images = self._batch(load_array(path, dtype), path, name)
            self._hold_against_pictures(images, path)
            return images, None
        if self.preprocess is None:
            raise ModelError(f"{path}: {explain_missing(self.session, PREPROCESS)}, or give .npy files")
        fit = partial(self._fit, path, name) if self.whole else None
        image, reading = read_picture(path, self.preprocess, fit, self.ground)
        return cast(image, dtype, str(path))[None], reading

    def _batch(self, found: Array, path: str | Path, name: str) -> Array:
        """An array with a batch axis put before it where it has none."""
        if not found.size:
            raise InputError(f"{path} is empty: its shape is {found.shape}")
        extents = self.session.inputs[name]
        if extents and found.ndim not in (len(extents) - 1, len(extents)):
            one_channel = found.ndim == len(extents) - 2 and extents[1] == 1
            advice = f": add the channel axis, {(1, *found.shape)}" if one_channel else ""
            raise InputError(
                f"{path} has {found.ndim} axes, {found.shape}; the model takes {self.session.describe_input(name)}, or "
                f"one of these without the first axis{advice}"
            )
        return found[None] if found.ndim == len(extents) - 1 else found

    def _hold_against_pictures(self, images: Array, path: str | Path) -> None:
        """Say where numbers lie so far beyond a picture's that nobody prepared them for the network, which answers all
        the same."""
        if self.preprocess is None or images.ndim != 4 or images.shape[1] != self.preprocess.channels:
            return
        lowest, highest = self.preprocess.find_bounds()
        darkest, brightest = float(lowest.min()), float(highest.max())
        low, high = float(images.min()), float(images.max())
        if max(darkest - low, high - brightest) > brightest - darkest:
            warn(
                f"{path} reaches from {low:.4g} to {high:.4g}, and pictures, as the network wants them, from "
                f"{darkest:.4g} to {brightest:.4g}: was the mean of values between 0 and 1 subtracted, and was it "
                "divided by the standard deviation?"
            )

    def _fit(self, path: str | Path, name: str, shown: Extents) -> Extents | None:
        """The least extents from those on that the model takes; None where there are none."""
        fitting = find_fit(self.session, name, shown)
        if fitting and prod(fitting) > MAX_OWN_PIXELS:
            assert self.preprocess is not None
            size = write_shape(self.preprocess.size)
            advice = "scale it" if self.preprocess.resize == "none" else f"give --resize, which makes it {size}"
            raise InputError(
                f"{path}, {write_shape(shown)} pixels, would be read at {write_shape(fitting)}, more than "
                f"{MAX_OWN_PIXELS:,}: {advice}"
            )
        return fitting


def find_fit(session: Session, name: str, own: Extents) -> Extents | None:
    """Find the least extents, each from an image's own on, that an input takes; None where it takes no such, or the
    image would have to grow along an axis that is fixed."""
    axes = session.inputs[name][2:]
    if len(axes) != len(own):
        return None
    wanted: dict[str, int] = {}
    for axis, extent in zip(axes, own, strict=True):
        if isinstance(axis, int):
            if axis != extent:
                return None
        else:
            wanted[axis] = max(extent, wanted.get(axis, 0))
    for axis, extent in wanted.items():
        if axis in session.sizes:
            wanted[axis] = max(session.sizes[axis].sample(extent, 1), default=0)
            if wanted[axis] < extent:
                return None
    try:
        check_together(wanted, session.sizes)
    except ArchspecError:
        return None
    return tuple(axis if isinstance(axis, int) else wanted[axis] for axis in axes)


def only_input(session: Session) -> tuple[str, np.dtype[Any]]:
    """Give the name and the type of a model's input. Raises ModelError where there are several."""
    if len(session.inputs) != 1:
        raise ModelError(f"{session.path} takes several inputs ({', '.join(session.inputs)}); files feed only one")
    name = next(iter(session.inputs))
    return name, session.dtypes[name]


def list_files(paths: Iterable[str | Path]) -> Iterator[Path | Failure]:
    """List the paths, with the pictures of each folder in its place; a warning tells of others that are in it."""
    for path in map(Path, paths):
        if not os.path.isdir(path):  # of a name that is too long, Path.is_dir raises
            yield path
            continue
        found = attempt(path, partial(find_pictures, path))
        if isinstance(found, Failure):
            yield found
            continue
        for note in found.notes:
            warn(note)
        yield from found.paths


def attempt(path: str | Path, act: Callable[[], T]) -> T | Failure:
    """Give what `act` does, or why it gives nothing for this file."""
    try:
        return act()
    except ArchspecError as error:
        return Failure(str(path), error)
    except MemoryError:
        return Failure(str(path), InputError(f"{path} needs more memory than there is"))


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Put the file's name before what a model says of its numbers."""
    try:
        yield
    except ArchspecError as error:
        error.args = (f"{path}: {error}",)
        raise
