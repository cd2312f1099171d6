"""A step's samples as one batch, and where a sample could not be had, why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError, InputError
from archspec.extras import extra
from runtime.data.batches import SampleDraw
from runtime.data.chance import drawing_by
from runtime.data.preparing import scale_levels
from runtime.data.sized import SizedSamples
from runtime.pictures.frame import Frame
from runtime.pictures.preprocess import LEVELS, Preprocess
from runtime.tasks.task import Task

with extra("train"):
    import torch
    from torch import Tensor

    from compiler.torch_target.modes import limited_to

Finish: TypeAlias = Callable[[Array, Array, int], tuple[Array, Array]]
"""A function of an image (C, *extents), what is stored of it, and a seed, which gives both at the network's size."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """A process's part of a step, or of an evaluation.

    `images` are (n, C, *size) in uint8 (levels of 255), uint16 (of 65,535) or float32 (values), not normalized.
    `targets` are labels as `Split` has them, but maps of classes are in uint8. `indices` (n,) are those of the samples.
    `whole` is the number of images in the parts of all processes together, those left out not counted off. `bad` says
    which samples of this part were left out, by their indices, and why.
    """

    images: Tensor
    targets: Tensor
    indices: Tensor
    whole: int = 0
    bad: tuple[tuple[int, str], ...] = ()

    def __len__(self) -> int:
        return len(self.indices)

    def pin_memory(self) -> Batch:
        """Give a copy in memory that a GPU reads by itself."""
        images, targets, indices = (each.pin_memory() for each in (self.images, self.targets, self.indices))
        return replace(self, images=images, targets=targets, indices=indices)


@dataclass(frozen=True, slots=True)
class ReadFailure:
    """The reason for which a batch could not be had: errors cross from one process to another as text."""

    message: str


@dataclass(frozen=True, eq=False)
class BatchFetcher:
    """What a `torch.utils.data.DataLoader` takes as its data set: it gives whole batches.

    With `skip_bad` samples that cannot be read are left out of their batch. `threads` bounds torch's.
    """

    samples: SizedSamples
    finish: Finish
    task: Task
    skip_bad: bool = False
    threads: int | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def __getitems__(self, draws: Sequence[SampleDraw]) -> Batch | ReadFailure:
        images, targets, indices, bad = [], [], [], []
        try:
            with limited_to(self.threads):
                for index, seed in draws:
                    try:
                        image, target = self._fetch(index, seed)
                    except ArchspecError as error:
                        if not self.skip_bad:
                            raise
                        bad.append((index, str(error)))
                        continue
                    images.append(image)
                    targets.append(target)
                    indices.append(index)
        except ArchspecError as error:
            return ReadFailure(str(error))
        if not images and draws:
            return ReadFailure(f"none of the {len(draws)} images of a step can be read: {bad[0][1]}")
        return Batch(_stack(images), _stack(targets), torch.tensor(indices), len(indices), tuple(bad))

    def _fetch(self, index: int, seed: int) -> tuple[Array, Array]:
        """The image of a sample and its label, at the network's size."""
        with drawing_by(seed) if self.samples.is_foreign else nullcontext():
            image, target = self.samples.read(index)
            try:
                image, target = self.finish(image, target, seed)
            except ArchspecError as error:
                raise InputError(f"{self.samples.name(index)}: {error}") from error
        if self.task.target != "map":
            target = self.task.prepare_target(target, Frame.whole(image.shape[1:]))
        return image, target


def _stack(arrays: Sequence[Array]) -> Tensor:
    """One tensor of arrays of one shape; in float32 where they are of several types."""
    if len({array.dtype for array in arrays}) > 1:
        arrays = [scale_levels(array) for array in arrays]
    return torch.from_numpy(np.stack(arrays))


def normalize_images(images: Tensor, preprocess: Preprocess) -> Tensor:
    """Make of images (N, C, *size), as a `Batch` has them, what the network reads, in float32 on their device, as
    `Preprocess.normalize` does up to rounding."""
    whole = {torch.uint8: LEVELS[np.dtype(np.uint8)], torch.uint16: LEVELS[np.dtype(np.uint16)]}.get(images.dtype, 1)
    column = (-1, *(1,) * (images.ndim - 2))
    std = images.new_tensor(preprocess.std, dtype=torch.float32).view(column)
    mean = images.new_tensor(preprocess.mean, dtype=torch.float32).view(column)
    ordered = images.flip(1) if preprocess.order == "bgr" else images
    return (ordered.to(torch.float32) * (preprocess.scale / whole)).sub_(mean).div_(std)
