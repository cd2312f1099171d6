"""Labelled images in two parts, as every data set gives them."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.arrays import Array, Float32Array, Float64Array
from runtime.pictures.preprocess import Preprocess


@dataclass(frozen=True, eq=False)
class Split:
    """Images (N, C, H, W) in float32, normalized, and what is asked of them.

    Labels are, by task: classes (N,) in int64; maps of classes (N, H, W) in int64, with 255 where no class is asked;
    positions of joints (N, J, 2) in float32, x and y in pixels (whole at a pixel's centre), NaN where there is none.
    """

    images: Float32Array
    labels: Array

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images in a training part and a held-out part, and how they were normalized.

    `task` is a name in `runtime.tasks.registry`; `classes` are the names of its classes, or of its joints.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    preprocess: Preprocess
    task: str = "labels"


def measure_preprocess(values: Float64Array) -> Preprocess:
    """Take the mean and the standard deviation of each channel of images (N, C, H, W), to six digits, so that every
    machine writes the same ones."""
    _, channels, height, width = values.shape
    mean, std = values.mean(axis=(0, 2, 3)), values.std(axis=(0, 2, 3))
    return Preprocess(
        channels, height, width, tuple(round(float(m), 6) for m in mean), tuple(round(float(s), 6) for s in std)
    )
