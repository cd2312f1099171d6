"""Test-time augmentation: the mean of the answers for an image and its mirror images, each turned back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np

from archspec.arrays import Array, Float32Array
from archspec.errors import InputError
from archspec.extras import extra
from runtime.tasks.grid import OutputGrid
from runtime.tasks.mirror import changes_places, check_flip_idx
from runtime.tasks.task import Task
from runtime.training.module_outputs import EVALUATION_BATCH

with extra("train"):
    import torch
    from torch import Tensor
    from torch.nn import functional as F

Mirror: TypeAlias = Literal["horizontal", "vertical"]

ArrayRun: TypeAlias = Callable[[Float32Array], Mapping[str, Array]]
"""A function of images (N, C, *extents) that gives outputs (N, ...) by name."""

AXES: Mapping[Mirror, int] = {"horizontal": -1, "vertical": -2}
"""The axis of images, and of outputs, along which each mirror turns around."""


class MirrorMean:
    """The outputs for images, each the mean over an image and all combinations of its mirror images.

    The mean is that of probabilities, where the task has them, and is given as their logarithms (of one channel alone,
    as the logit): logits, of which loss and answers follow as of any. Else it is that of the outputs themselves. What
    has places is turned back first, and joints change theirs by `flip_idx`.

    Raises InputError where that cannot be done exactly.
    """

    def __init__(
        self,
        task: Task,
        grids: Mapping[str, OutputGrid],
        mirrors: Sequence[Mirror],
        joints: Sequence[str] = (),
        flip_idx: Sequence[int] | None = None,
    ) -> None:
        self.task, self.grids, self.flip_idx = task, grids, None
        self.axes = sorted({AXES[mirror] for mirror in mirrors})
        if self.axes and task.mirrors:
            if flip_idx is None:
                raise InputError(
                    "test_time_augmentation: the data do not say which joints change places in a mirror (flip_idx)"
                )
            check_flip_idx(flip_idx, joints)
            self.flip_idx = list(flip_idx)
        for name, grid in grids.items():
            self._check_symmetry(name, grid)

    def __call__(self, run: Callable[[Tensor], Mapping[str, Tensor]], images: Tensor) -> dict[str, Tensor]:
        """Compute the outputs by name for images (N, C, *extents), each (N, ...), by a function that computes those of
        a network."""
        if not self.axes:
            return dict(run(images))
        views: dict[str, list[Tensor]] = {}
        for axes in self._combine_axes():
            for name, output in run(images.flip(axes)).items():
                views.setdefault(name, []).append(self._turn_back(output, self.grids[name], axes))
        return {name: self._take_mean(torch.stack(found)) for name, found in views.items()}

    def over(self, run: ArrayRun) -> ArrayRun:
        """Make of a function that computes a network's outputs by name for images, in numpy, one that gives their mean
        over the mirror images."""
        if not self.axes:
            return run

        def find_mean(images: Float32Array) -> dict[str, Array]:
            parts: dict[str, list[Array]] = {}
            for part in torch.split(torch.from_numpy(images), EVALUATION_BATCH):
                for name, output in self(lambda seen: _compute(run, seen), part).items():
                    parts.setdefault(name, []).append(output.numpy())
            return {name: np.concatenate(found) for name, found in parts.items()}

        return find_mean

    def _combine_axes(self) -> Iterator[tuple[int, ...]]:
        for count in range(len(self.axes) + 1):
            yield from combinations(self.axes, count)

    def _turn_back(self, output: Tensor, grid: OutputGrid, axes: tuple[int, ...]) -> Tensor:
        turned = output.float().flip(axes) if grid.extents else output.float()
        return turned[:, self.flip_idx] if self.flip_idx and changes_places(axes) else turned

    def _take_mean(self, views: Tensor) -> Tensor:
        """The mean over the first axis of (views, N, C, ...)."""
        if not self.task.has_probabilities:
            return views.mean(0)
        if views.shape[2] == 1:
            return F.logsigmoid(views).logsumexp(0) - F.logsigmoid(-views).logsumexp(0)
        return F.log_softmax(views, 2).logsumexp(0) - math.log(len(views))

    def _check_symmetry(self, name: str, grid: OutputGrid) -> None:
        for axis in self.axes if grid.extents else ():
            rest = grid.image[axis] - grid.strides[axis] * grid.extents[axis]
            if rest % 2:
                raise InputError(
                    f"test_time_augmentation: '{name}' does not lie in the middle of its image ({rest} pixels of "
                    f"{grid.image[axis]} are left over), so a mirrored answer does not lie on the other; leave it out"
                )


def _compute(run: ArrayRun, images: Tensor) -> dict[str, Tensor]:
    return {name: torch.from_numpy(output) for name, output in run(images.contiguous().numpy()).items()}
