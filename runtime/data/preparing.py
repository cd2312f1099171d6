"""From a stored sample to what a network reads: its image resized as pictures are that are answered, its target too.

For loading, in two steps: the size, which is the same each time and is kept, and the cut, which training varies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from archspec.arrays import Array, Float32Array
from archspec.errors import InputError
from archspec.wording import write_shape
from runtime.data.moving import check_target, move_target
from runtime.pictures.frame import Frame
from runtime.pictures.geometry import place, resize_image
from runtime.pictures.preprocess import LEVELS, Preprocess
from runtime.tasks.registry import find_task
from runtime.tasks.task import Task


def scale_levels(image: Array) -> Float32Array:
    """Give the values of an image's levels: whole numbers are divided by the largest that their type holds."""
    values = np.asarray(image, np.float32)
    return values / np.float32(LEVELS[image.dtype]) if image.dtype in LEVELS else values


def read_shown(
    samples: Any, index: int, find_shown: Callable[[tuple[int, int]], Sequence[int]]
) -> tuple[Any, Any, tuple[int, ...] | None]:
    """Read a sample whose image is shown at the extents that `find_shown` gives of its own. Where the samples know how
    (`read_shown`), a large JPEG is decoded at a part of its size, and what is asked of it is said of the whole image,
    whose extents come last; else these are None."""
    read = getattr(samples, "read_shown", None)
    return (*samples[index], None) if read is None else read(index, find_shown)


def prepare_sample(
    image: Any, target: Any, preprocess: Preprocess, task: str, own: tuple[int, ...] | None = None
) -> tuple[Array, Array]:
    """Prepare one sample, as `Samples` says it is stored: its image (C, *size) in the same levels or values, which
    `Preprocess.normalize` takes, and its label, as `Split` has them. `own` are the extents of the picture where it was
    decoded at a part of them; the target is in its pixels.

    Raises InputError where the image has other channels or axes than the network takes, or the target does not lie on
    it.
    """
    image, asked = check_image(image, preprocess), find_task(task)
    frame = place(preprocess, image.shape[1:])
    moving = frame if own is None else place(preprocess, own)
    return resize_image(image, preprocess, frame), asked.prepare_target(np.asarray(target), moving)


def size_sample(
    image: Any, target: Any, preprocess: Preprocess, task: Task, own: tuple[int, ...] | None = None
) -> tuple[Array, Array]:
    """Bring one sample to the size at which it is cut: its whole image (C, *extents), in the same levels or values, and
    what is stored of it, in that image's pixels.

    `own` are the extents of the picture where it was decoded at a part of them; what is stored is in its pixels. Raises
    InputError as `prepare_sample` does.
    """
    image = check_image(image, preprocess)
    extents = image.shape[1:]
    stored = check_target(target, task, own or extents)
    frame = place_uncut(preprocess, extents)
    if frame.resized or frame.padded:
        image = resize_image(image, preprocess, frame)
    moving = frame if own in (None, extents) else place_uncut(preprocess, own)
    return image, move_target(stored, task, moving) if moving.resized or moving.padded else stored


def cut_sample(image: Array, target: Array, preprocess: Preprocess, task: Task) -> tuple[Array, Array]:
    """Cut the centre out of what `size_sample` gives, of the network's size; what an image lacks is behind it."""
    if image.shape == preprocess.shape:
        return image, target
    plain = leave_size(preprocess)
    frame = place(plain, image.shape[1:])
    return resize_image(image, plain, frame), move_target(target, task, frame)


@lru_cache(maxsize=16)
def leave_size(preprocess: Preprocess) -> Preprocess:
    """The same preprocessing of images that are resized already."""
    return replace(preprocess, resize="none", resize_to=None, fill=None, spacing=None)


@lru_cache(maxsize=1024)
def place_uncut(preprocess: Preprocess, own: tuple[int, ...]) -> Frame:
    """Find where an image of extents `own` comes to lie when nothing of it is cut away yet. Raises InputError as
    `place` does."""
    frame = place(preprocess, own)
    return Frame(frame.own, frame.shown, frame.shown) if preprocess.resize in ("shorter", "none") else frame


def check_image(image: Any, preprocess: Preprocess) -> Array:
    """Give an image as an array in uint8, uint16 or float32. Raises InputError where it has other channels or axes than
    the network takes, no pixels, or whole numbers of another type, whose largest nobody knows."""
    given = np.asarray(image)
    if given.ndim != 1 + len(preprocess.size) or len(given) != preprocess.channels:
        found, wanted = write_shape(given.shape, "a single number"), write_shape(preprocess.shape)
        raise InputError(f"an image is {found}, and the network is trained on {wanted}")
    if not given.size:
        raise InputError(f"an image is {write_shape(given.shape)}: it has no pixels")
    if given.dtype not in LEVELS and given.dtype.kind != "f":
        raise InputError(f"an image is of {given.dtype}; expected uint8, uint16 or float32")
    return given if given.dtype in LEVELS else given.astype(np.float32, copy=False)
