"""Patches of volumes for training: where they are cut, a fair share of them around what is no background, and how they
are varied, by MONAI's transforms. All of it follows from the seed of the sample."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array, Float32Array
from archspec.errors import InputError
from archspec.extras import extra
from runtime.data.volumes.volume import mirror
from runtime.pictures.geometry import NOT_ASKED
from runtime.pictures.preprocess import LEVELS
from runtime.recipes.data import AugmentSection

with extra("train"):
    import torch

BLUR = (0.5, 1.0)
"""The least and the largest standard deviation of blur, in voxels (nnU-Net's)."""

FLIPS = {"none": (), "horizontal": (2,), "vertical": (1,), "both": (1, 2), "all": (0, 1, 2)}
"""The axes of a volume that are mirrored, each with probability 1/2, by the recipe's word."""

FOR_PICTURES = ("shift", "pad_crop", "scale", "ratio", "elastic", "saturation", "hue", "gray", "erase", "auto")
"""The keys of the recipe's augmentation that are for pictures alone."""


def choose_voxel(labels: Array, chance: np.random.Generator) -> tuple[int, ...] | None:
    """Choose a voxel of a class that is no background: each class that labels (*extents) hold as often as any other,
    and each of its voxels too. None where there is no such class; what is not asked is none."""
    counts = np.bincount(labels.reshape(-1), minlength=NOT_ASKED + 1)
    counts[[0, NOT_ASKED]] = 0
    present = np.flatnonzero(counts)
    if not len(present):
        return None
    number = present[chance.integers(len(present))]
    place = np.flatnonzero(labels == number)[chance.integers(counts[number])]
    return tuple(map(int, np.unravel_index(place, labels.shape)))


class PatchAugmentation:
    """A function of a volume's levels (C, *extents), its labels (*extents), and a seed, that gives a patch (C, *patch)
    with values in [0, 1] and its labels (*patch): varied as the recipe says.

    With probability `foreground` its centre is a voxel of a class that is no background, each class of the volume as
    often as any other; else it lies anywhere. What lies beyond the volume is its mirror image, and is not asked. Raises
    InputError for variations that are of pictures alone.
    """

    def __init__(self, patch: Sequence[int], augment: AugmentSection) -> None:
        idle = [name for name in FOR_PICTURES if getattr(augment, name) != AugmentSection.model_fields[name].default]
        if idle:
            raise InputError(f"augment.{idle[0]} varies pictures, and these are volumes: leave it out")
        self.patch, self.augment = tuple(patch), augment
        self._vary = _make_transforms(self.patch, augment)
        self._region = _find_region(self.patch, augment)

    needs_torchvision = False

    def __call__(self, image: Array, labels: Array, seed: int) -> tuple[Float32Array, npt.NDArray[np.uint8]]:
        """Cut and vary a patch."""
        chance = np.random.default_rng(seed)
        centre = self._choose_centre(labels, chance)
        region = [
            np.arange(middle - extent // 2, middle - extent // 2 + extent)
            for middle, extent in zip(centre, self._region, strict=True)
        ]
        folded = np.ix_(*(mirror(at, extent) for at, extent in zip(region, labels.shape, strict=True)))
        cut, asked = np.stack([channel[folded] for channel in image]), labels[folded]
        for axis, (at, extent) in enumerate(zip(region, labels.shape, strict=True)):
            asked[(slice(None),) * axis + ((at < 0) | (at >= extent),)] = NOT_ASKED
        values = cut.astype(np.float32) / np.float32(LEVELS.get(cut.dtype, 1))
        if self._vary is None:
            return values, asked
        return self._apply(values, asked, int(chance.integers(0, 1 << 32)))

    def _apply(self, values: Float32Array, asked: Array, seed: int) -> tuple[Float32Array, npt.NDArray[np.uint8]]:
        assert self._vary is not None
        self._vary.set_random_state(seed=seed)
        given = {"image": torch.from_numpy(values), "label": torch.from_numpy(asked[None].astype(np.float32))}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MONAI's, of its own use of numpy and torch
            found = self._vary(given)
        image, label = (torch.as_tensor(found[key]).numpy() for key in ("image", "label"))
        return np.ascontiguousarray(image, np.float32), np.rint(label[0]).astype(np.uint8)

    def _choose_centre(self, labels: Array, chance: np.random.Generator) -> tuple[int, ...]:
        """The voxel in the middle of the patch: where the volume is large enough, the patch lies within it."""
        ends = [_find_middles(extent, own) for extent, own in zip(self.patch, labels.shape, strict=True)]
        around = chance.random() < self.augment.foreground
        chosen = choose_voxel(labels, chance) if around else None
        if chosen is not None:
            return tuple(min(max(middle, first), last) for middle, (first, last) in zip(chosen, ends, strict=True))
        return tuple(int(chance.integers(first, last + 1)) for first, last in ends)


def _find_middles(extent: int, own: int) -> tuple[int, int]:
    """The first and the last middle of a patch that lies within the volume; the volume's own where that is smaller."""
    first, last = extent // 2, own - extent + extent // 2
    return (first, last) if first <= last else ((first + last) // 2,) * 2


def _find_region(patch: Sequence[int], augment: AugmentSection) -> tuple[int, ...]:
    """The extents that are cut so that a turned patch lies within them."""
    if not _is_moved(augment):
        return tuple(patch)
    sine = math.sin(math.radians(min(augment.rotate, 90)))
    lean = min(1.0, sine * (1 + sine)) + math.tan(math.radians(augment.shear))
    smaller = min(augment.zoom) if augment.zoom else 1.0
    return tuple(math.ceil((extent + lean * (sum(patch) - extent)) / min(smaller, 1.0)) for extent in patch)


def _is_moved(augment: AugmentSection) -> bool:
    return bool(augment.rotate or augment.shear or augment.zoom)


def _make_transforms(patch: Sequence[int], augment: AugmentSection) -> Any:
    """MONAI's transforms of {"image", "label"} that the recipe asks for; None where it asks for none."""
    with extra("volumes"):
        from monai import transforms as monai

    both, chosen = ["image", "label"], []
    if _is_moved(augment):
        turn, lean = math.radians(augment.rotate), math.tan(math.radians(augment.shear))
        low, high = augment.zoom or (
            1.0,
            1.0,
        )  # MONAI scales the places that are read: a larger step makes things smaller
        chosen.append(
            monai.RandAffined(
                both,
                spatial_size=tuple(patch),
                prob=1.0,
                rotate_range=((-turn, turn),) * 3,
                shear_range=((-lean, lean),) * 6,
                scale_range=((1 / high - 1, 1 / low - 1),) * 3,
                mode=("bilinear", "nearest"),
                padding_mode="border",
            )
        )
    chosen += [monai.RandFlipd(both, prob=0.5, spatial_axis=axis) for axis in FLIPS[augment.flip]]
    if augment.blur:
        chosen.append(monai.RandGaussianSmoothd(["image"], BLUR, BLUR, BLUR, prob=augment.blur))
    if augment.noise:
        chosen.append(monai.RandGaussianNoised(["image"], prob=1.0, mean=0.0, std=augment.noise, sample_std=False))
    if augment.brightness:
        chosen.append(monai.RandScaleIntensityd(["image"], (-augment.brightness, augment.brightness), prob=1.0))
    if augment.contrast:
        factors = (-augment.contrast, augment.contrast)
        chosen.append(monai.RandScaleIntensityFixedMeand(["image"], factors=factors, prob=1.0, preserve_range=False))
    return monai.Compose(chosen) if chosen else None
