"""Pictures of blobs whose places are known, to hold what moves pictures against what moves positions and maps."""

from __future__ import annotations

import numpy as np

from archspec.arrays import Array, Float64Array
from runtime.data.dataset import ArraySamples, Dataset
from runtime.pictures.preprocess import Preprocess


def draw_blobs(points: Array, height: int, width: int, radius: float = 2.0) -> Array:
    """A picture (J, height, width) in float32 with a Gaussian blob in each channel about its point, x before y."""
    rows, columns = np.mgrid[:height, :width]
    squares = [(columns - x) ** 2 + (rows - y) ** 2 for x, y in np.asarray(points)[:, :2]]
    return np.exp(-np.array(squares) / (2 * radius**2)).astype(np.float32)


def find_blobs(picture: Array) -> Float64Array:
    """The centres of mass (J, 2) of the blobs, x before y."""
    rows, columns = np.mgrid[: picture.shape[1], : picture.shape[2]]
    mass = picture.astype(np.float64)
    total = mass.sum((1, 2))
    return np.stack([(mass * columns).sum((1, 2)) / total, (mass * rows).sum((1, 2)) / total], 1)


def as_data(images: Array, targets: Array, task: str = "labels", size: tuple[int, ...] | None = None) -> Dataset:
    """A data set of arrays (N, C, *extents), read at a size, by default their own."""
    channels = images.shape[1]
    preprocess = Preprocess(channels, size or images.shape[2:], (0.25,) * channels, (0.5,) * channels)
    samples = ArraySamples(images, targets)
    return Dataset("arrays", samples, samples, ("a", "b", "c"), preprocess, task)
