"""From a stored sample to what a network reads: levels to values, and targets to the prepared image's pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from archspec.arrays import Array, Float32Array
from archspec.errors import InputError
from archspec.wording import write_shape
from runtime.pictures.frame import Frame
from runtime.pictures.preprocess import Preprocess
from runtime.tasks.registry import find_task

LEVELS = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
"""The largest level of stored images, by their type; others are values already."""


def scale_levels(image: Array) -> Float32Array:
    """Give the values of an image's levels: whole numbers are divided by the largest that their type holds."""
    values = np.asarray(image, np.float32)
    return values / np.float32(LEVELS[image.dtype]) if image.dtype in LEVELS else values


def prepare_sample(image: Any, target: Any, preprocess: Preprocess, task: str) -> tuple[Float32Array, Array]:
    """Prepare one sample, as `Samples` says it is stored: its values (C, *extents) and its label, as `Split` has them.

    Raises InputError where the image is not of the preprocessing's shape.
    """
    image = np.asarray(image)
    if image.shape != preprocess.shape:
        found, wanted = write_shape(image.shape), write_shape(preprocess.shape)
        raise InputError(f"an image is {found}, and the network is trained on {wanted}")
    return scale_levels(image), find_task(task).prepare_target(np.asarray(target), Frame.whole(image.shape[1:]))
