"""Volumes that no mirror and no turn leaves as they are, and spheres with known labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archspec.arrays import Array

EXTENTS = (5, 6, 7)
"""The depth, height and width of a phantom."""


def draw_phantom(extents: Sequence[int] = EXTENTS, dtype: Any = np.int16) -> Array:
    """Draw a volume (depth, height, width) whose every voxel has another value."""
    count = int(np.prod(extents))
    return np.random.default_rng(0).permutation(count).reshape(extents).astype(dtype)


def draw_spheres(extents: Sequence[int], count: int, seed: int, radii: tuple[int, int] = (3, 6)) -> tuple[Array, Array]:
    """Draw noisy values (int16, as CT has them) with spheres of two brightnesses, and the labels: 0, 1 or 2."""
    chance = np.random.default_rng(seed)
    labels, grid = np.zeros(extents, np.uint8), np.indices(extents)
    for number in range(count):
        radius = int(chance.integers(*radii, endpoint=True))
        centre = [chance.integers(radius, extent - radius) for extent in extents]
        inside = sum((axis - middle) ** 2 for axis, middle in zip(grid, centre, strict=True)) <= radius**2
        labels[inside] = 1 + number % 2
    values = np.array([-800, 100, 400])[labels] + chance.normal(0, 60, extents)
    return values.round().astype(np.int16), labels


def write_nifti(path: Path, values: Array, axes: str = "RAS", spacing: Sequence[float] = (1.0, 1.0, 1.0)) -> Path:
    """Write a volume (depth, height, width), which runs upward, forward and to the right, with axes that run as
    nibabel's letters say; the corner stands at (10, 20, 30) millimetres, and `spacing` is in the volume's order."""
    import nibabel

    depth, height, width = spacing
    affine = np.diag([width, height, depth, 1.0])
    affine[:3, 3] = 10, 20, 30
    image = nibabel.Nifti1Image(values.transpose(2, 1, 0), affine)
    there = nibabel.orientations.axcodes2ornt(tuple(axes))
    turn = nibabel.orientations.ornt_transform(nibabel.orientations.io_orientation(affine), there)
    nibabel.save(image.as_reoriented(turn), path)
    return path
