"""The batches of a training: which images a step sees, and how they are varied, a pure function of (seed, epoch, step).

Nothing here has a state, so a run can be repeated, or taken up at any step, and sees the same images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from archspec.arrays import Float64Array
from archspec.errors import InputError
from archspec.extras import extra
from archspec.wording import tell_count

with extra("train"):
    import torch


def mix_seed(*numbers: int) -> int:
    """Make one seed from several numbers, such that neighbours have nothing in common (numpy's SeedSequence).

    Their count goes in too: numpy takes (1, 2) and (1, 2, 0) for the same.
    """
    return int(np.random.SeedSequence([len(numbers), *numbers]).generate_state(1, np.uint64)[0]) >> 1


def count_steps(samples: int, batch: int) -> int:
    """Count the steps of an epoch: ceil(samples / batch)."""
    return -(-samples // batch)


class SampleDraw(NamedTuple):
    """One sample of a step, by its index, and the seed of all that is random about it."""

    sample: int
    seed: int


@dataclass(frozen=True, slots=True)
class Shard:
    """One process of those that train together, by its number from 0 on: it takes its part of each batch."""

    rank: int = 0
    size: int = 1


ALONE = Shard()
"""A process that trains alone."""


@dataclass(frozen=True, eq=False)
class EpochOrder:
    """The order in which a training sees its samples, `batch` of them in a step: each once in an epoch, or with
    `weights` (samples,) as often as chance and its weight have it.

    Raises InputError where there are no samples, or no weights that are positive.
    """

    samples: int
    batch: int
    seed: int
    weights: Float64Array | None = None

    def __post_init__(self) -> None:
        if not self.samples:
            raise InputError("there are no training images")
        if self.weights is not None and not (
            np.isfinite(self.weights).all() and self.weights.min() >= 0 < self.weights.max()
        ):
            raise InputError("the weights of samples must be finite, and some of them positive")

    @property
    def steps(self) -> int:
        """The number of steps of an epoch."""
        return count_steps(self.samples, self.batch)

    def draw_epoch(self, epoch: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Draw the indices (samples,) in an epoch's order, and the seed (samples,) of each place in it."""
        chance = np.random.default_rng(mix_seed(self.seed, epoch, 0))
        seeds = chance.integers(0, 1 << 63, self.samples)
        if self.weights is None:
            generator = torch.Generator().manual_seed(mix_seed(self.seed, epoch))
            return torch.randperm(self.samples, generator=generator).numpy(), seeds
        ends = np.cumsum(self.weights)
        found = np.searchsorted(ends, chance.random(self.samples) * ends[-1], side="right")
        return np.minimum(found, np.flatnonzero(self.weights)[-1]), seeds

    def count(self, step: int) -> int:
        """Count the samples of a step, those of all processes together."""
        return len(range(self.samples)[self._cut(step)])

    def draw(self, step: int, shard: Shard = ALONE) -> list[SampleDraw]:
        """Draw a process's part of a step, which is counted from the beginning of the training.

        The parts of all processes make up what a single one would see, with the same seeds.
        """
        indices, seeds = _draw_epoch(self, step // self.steps)
        mine = self._cut(step)
        mine = slice(mine.start + shard.rank, mine.stop, shard.size)
        return [
            SampleDraw(index, seed) for index, seed in zip(indices[mine].tolist(), seeds[mine].tolist(), strict=True)
        ]

    def check(self, shard: Shard) -> None:
        """Raises InputError where a step has too few samples for so many processes."""
        fewest = self.samples // self.steps
        if fewest < shard.size:
            raise InputError(
                f"a step of {tell_count(fewest, 'image')} cannot be shared by {shard.size} processes "
                f"(batch {self.batch}, {tell_count(self.samples, 'training image')}); take a larger batch, or fewer"
            )

    def _cut(self, step: int) -> slice:
        """The places in its epoch of a step's samples, as `torch.tensor_split` cuts them."""
        least, longer = divmod(self.samples, self.steps)
        place = step % self.steps
        start = place * least + min(place, longer)
        return slice(start, start + least + (place < longer))


@lru_cache(maxsize=2)
def _draw_epoch(order: EpochOrder, epoch: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    return order.draw_epoch(epoch)


@dataclass(frozen=True, slots=True)
class StepSampler:
    """What a `torch.utils.data.DataLoader` takes as its `batch_sampler`: a process's samples of each of some steps."""

    order: EpochOrder
    shard: Shard
    steps: range

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[SampleDraw]]:
        return (self.order.draw(step, self.shard) for step in self.steps)
