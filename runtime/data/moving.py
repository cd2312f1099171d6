"""What a data set stores of an image, moved with the image: maps of classes and positions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from archspec.arrays import Array
from archspec.errors import InputError
from archspec.wording import write_shape
from runtime.pictures.frame import Frame
from runtime.pictures.geometry import move_points, resize_map
from runtime.tasks.mirror import mirror_points
from runtime.tasks.task import Task

MAX_CLASS = 255
"""The largest number in a map of classes, which says that none is asked."""


def check_target(target: Any, task: Task, extents: Sequence[int]) -> Array:
    """Give what is stored of an image of these extents in one form: a map in uint8; positions (J, 3), x before y, with
    their visibility, in float32 (those of NaN are not labelled); anything else as it is.

    Raises InputError for maps of other extents, or of numbers beyond MAX_CLASS, and for positions of another shape.
    """
    given = np.asarray(target)
    if task.target == "map":
        if given.shape != tuple(extents):
            mask, image = write_shape(given.shape, "a single number"), write_shape(extents)
            raise InputError(f"a map of {mask} does not lie on its image, which is {image}")
        if given.dtype != np.uint8 and given.size and not 0 <= given.min() <= given.max() <= MAX_CLASS:
            raise InputError(
                f"a map has the class {max(given.max(), -given.min(), key=abs)}; expected 0 to {MAX_CLASS}"
            )
        return given.astype(np.uint8, copy=False)
    if task.target == "points":
        if given.ndim != 2 or given.shape[1] not in (2, 3):
            raise InputError(f"positions need rows of x, y and visibility, found {write_shape(given.shape)}")
        seen = given[:, 2:] if given.shape[1] == 3 else np.full((len(given), 1), 2)
        seen = np.where(np.isfinite(given[:, :2]).all(1, keepdims=True), seen, 0)
        return np.concatenate([np.where(seen > 0, given[:, :2], 0), seen], 1).astype(np.float32)
    return given


def move_target(target: Array, task: Task, frame: Frame) -> Array:
    """Move what is stored of an image as `frame` lays the image on another: where a map has no pixel, none is asked."""
    if task.target == "map":
        return resize_map(target, frame)
    return move_points(target, frame) if task.target == "points" else target


def mirror_target(
    target: Array, task: Task, extents: Sequence[int], axes: Collection[int], flip_idx: Sequence[int] | None
) -> Array:
    """Mirror what is stored of an image of these extents along some of its axes; joints become those that `flip_idx`
    names for them."""
    if task.target == "map":
        return np.flip(target, tuple(axes))
    if task.target != "points":
        return target
    return mirror_points(target, extents, axes, range(len(target)) if flip_idx is None else flip_idx)
