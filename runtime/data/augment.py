"""Training images that are varied, each by its own seed: cut at random and mirrored here, all else by torchvision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np

from archspec.arrays import Array
from archspec.errors import InputError
from archspec.wording import tell_count
from runtime.data.chance import Dice, drawing_torch_by
from runtime.data.dataset import Dataset
from runtime.data.moving import mirror_target, move_target
from runtime.data.preparing import cut_sample, leave_size
from runtime.data.vision import Vision, find_fill, list_vision_keys
from runtime.pictures.frame import Frame
from runtime.pictures.geometry import resize_image
from runtime.pictures.preprocess import Preprocess
from runtime.recipes.data import AugmentSection
from runtime.tasks.mirror import check_flip_idx
from runtime.tasks.registry import find_task
from runtime.tasks.task import Task

MIRRORS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"none": (), "horizontal": (-1,), "vertical": (-2,), "both": (-1, -2)}
)
"""The axes of an image, counted from the last, along which it is mirrored, by the recipe's word."""


@dataclass(frozen=True, eq=False)
class CentreCut:
    """The way of evaluation: every image is cut as `run` cuts it, whatever the seed."""

    preprocess: Preprocess
    task: Task
    needs_torchvision: bool = False

    def __call__(self, image: Array, target: Array, seed: int) -> tuple[Array, Array]:
        """Cut one sample."""
        return cut_sample(image, target, self.preprocess, self.task)


@dataclass(frozen=True, eq=False)
class RandomCut:
    """A cut of the network's size anywhere in an image and up to `margin` pixels beyond its borders, though not so far
    that nothing of it is left; mirrored, or not, along each of the axes `flips`, counted from 0."""

    preprocess: Preprocess
    task: Task
    margin: int = 0
    flips: tuple[int, ...] = ()
    flip_idx: Sequence[int] | None = None

    def __call__(self, image: Array, target: Array, seed: int) -> tuple[Array, Array]:
        """Cut one sample."""
        dice, size = Dice(seed), self.preprocess.size
        if any(extent < wanted for extent, wanted in zip(image.shape[1:], size, strict=True)):
            image, target = self._fill_up(image, target)
        extents = image.shape[1:]
        starts = [self._draw_start(dice, *pair) for pair in zip(extents, size, strict=True)]
        if any(starts) or extents != size:
            image = self._cut(image, starts)
            if self.task.target != "whole":
                target = move_target(target, self.task, Frame(extents, extents, size, tuple(starts)))
        if turned := [axis for axis in self.flips if dice.draw(2)]:
            image = np.flip(image, tuple(1 + axis for axis in turned))
            target = mirror_target(target, self.task, size, turned, self.flip_idx)
        return image, target

    def _draw_start(self, dice: Dice, extent: int, wanted: int) -> int:
        """Draw where an image of this extent begins on the input's axis."""
        margin = min(self.margin, wanted - 1)
        return margin - dice.draw(extent + 2 * margin - wanted + 1)

    def _fill_up(self, image: Array, target: Array) -> tuple[Array, Array]:
        """The sample with what it lacks behind it, as in evaluation."""
        own = image.shape[1:]
        frame = Frame(own, own, tuple(map(max, own, self.preprocess.size)))
        return resize_image(image, leave_size(self.preprocess), frame), move_target(target, self.task, frame)

    def _cut(self, image: Array, starts: Sequence[int]) -> Array:
        """The part of an image whose first pixel lies at `starts` of it; what lies beyond its borders is filled."""
        made = np.empty(self.preprocess.shape, image.dtype)
        kept, filled, whole = [slice(None)], [slice(None)], True
        for start, own, wanted in zip(starts, image.shape[1:], self.preprocess.size, strict=True):
            first, last = max(0, start), min(wanted, own + start)
            filled.append(slice(first, last))
            kept.append(slice(first - start, last - start))
            whole = whole and last - first == wanted
        if not whole:
            made[:] = find_fill(self.preprocess, image.dtype)
        made[tuple(filled)] = image[tuple(kept)]
        return made


@dataclass(frozen=True, eq=False)
class Augmentation:
    """All that a recipe says of varying images: first what moves their pixels, then the cut, then their colours."""

    cut: RandomCut
    vision: Vision | None = None

    @property
    def needs_torchvision(self) -> bool:
        """True if some of it is torchvision's."""
        return self.vision is not None

    def __call__(self, image: Array, target: Array, seed: int) -> tuple[Array, Array]:
        """Vary one sample."""
        if self.vision is None:
            return self.cut(image, target, seed)
        with drawing_torch_by(seed):
            image, target = self.cut(*self.vision.move(image, target), seed)
            return self.vision.colour(image), target


class SampleVariation(Protocol):
    """What varies a sample: a function of an image (C, *extents), what is stored of it, and a seed, which gives both at
    the network's size. `needs_torchvision` says whether torch's threads have to be bounded for equal results."""

    @property
    def needs_torchvision(self) -> bool: ...

    def __call__(self, image: Array, target: Array, seed: int, /) -> tuple[Array, Array]: ...


def make_augmentation(data: Dataset, section: AugmentSection) -> SampleVariation:
    """Make what varies the training images of a data set.

    Raises InputError where the section asks for what cannot be done with images of so many axes or channels, or with
    what is asked of them, and MissingExtra where it needs torchvision, which is not there.
    """
    preprocess, task = data.preprocess, find_task(data.task)
    axes = len(preprocess.size)
    if axes == 3 and task.target == "map":
        from runtime.data.volumes.patches import PatchAugmentation  # here, since only volumes need MONAI

        return PatchAugmentation(preprocess.size, section)
    margin, flips = section.shift + section.pad_crop, _find_mirrors(data, section.flip)
    cut = RandomCut(preprocess, task, margin, flips, data.flip_idx)
    if not (used := list_vision_keys(section)):
        return Augmentation(cut)
    if axes != 2:
        found = tell_count(axes, "axis", "axes")
        raise InputError(f"augment: {', '.join(used)} are of pictures, and these images have {found}")
    return Augmentation(cut, Vision(section, preprocess, task))


def _find_mirrors(data: Dataset, word: str) -> tuple[int, ...]:
    """The axes, counted from 0, along which images are mirrored by the recipe's word."""
    axes = len(data.preprocess.size)
    if word not in MIRRORS or any(-axis > axes for axis in MIRRORS[word]):
        found = tell_count(axes, "axis", "axes")
        raise InputError(f"augment: flip: {word} is of images with more axes, and these have {found}")
    if MIRRORS[word] and find_task(data.task).mirrors:
        if data.flip_idx is None:
            raise InputError(
                f"augment: flip: {word} makes a left hand a right one, and {data.name} does not say which joints "
                "change places in a mirror: name them in `flip_idx` of data.yaml, each by its own number where none "
                "do, or leave flip out"
            )
        check_flip_idx(data.flip_idx, data.classes)
    return tuple(axes + axis for axis in MIRRORS[word])
