"""From a stored sample to what a network reads: its image resized as pictures are that are answered, its target too."""

from __future__ import annotations

from typing import Any

import numpy as np

from archspec.arrays import Array
from archspec.errors import InputError
from archspec.wording import write_shape
from runtime.pictures.geometry import place, resize_image
from runtime.pictures.preprocess import Preprocess
from runtime.tasks.registry import find_task


def prepare_sample(image: Any, target: Any, preprocess: Preprocess, task: str) -> tuple[Array, Array]:
    """Prepare one sample, as `Samples` says it is stored: its image (C, *size) in the same levels or values, which
    `Preprocess.normalize` takes, and its label, as `Split` has them.

    Raises InputError where the image has other channels or axes than the network takes, or the target does not lie on
    it.
    """
    image = np.asarray(image)
    if image.ndim != 1 + len(preprocess.size) or len(image) != preprocess.channels:
        found, wanted = write_shape(image.shape), write_shape(preprocess.shape)
        raise InputError(f"an image is {found}, and the network is trained on {wanted}")
    frame = place(preprocess, image.shape[1:])
    return resize_image(image, preprocess, frame), find_task(task).prepare_target(np.asarray(target), frame)
