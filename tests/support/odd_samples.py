"""Samples of other people's programs, with their mistakes, which worker processes have to import."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from archspec.arrays import Array
from archspec.errors import InputError
from runtime.data.sized import SizedSamples


@dataclass(frozen=True)
class DrawingSamples:
    """Samples that draw from all global generators when they are read."""

    count: int = 24

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        drawn = [
            torch.rand(4).tolist(),
            np.random.rand(4).tolist(),
            [random.random() for _ in range(4)],
            [index / self.count] * 4,
        ]
        return torch.tensor(drawn)[None], index % 3


@dataclass(frozen=True)
class FailingSamples:
    """Samples of which some cannot be read, in the way that `how` says."""

    bad: tuple[int, ...]
    how: str = "input"
    count: int = 24

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Array, int]:
        if index in self.bad:
            self._fail(index)
        return np.full((1, 4, 4), index, np.uint8), index % 3

    def _fail(self, index: int) -> None:
        if self.how == "input":
            raise InputError(f"photos/{index}.jpg is a broken picture")
        if self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "slow":
            time.sleep(600)
        raise KeyError(index)


@dataclass(frozen=True)
class FilmSamples:
    """Samples that say of which file they are, and so are kept: images of noise (3, side, side), by their index."""

    count: int
    side: int = 8

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Array, int]:
        return np.random.default_rng(index).integers(0, 256, (3, self.side, self.side), np.uint8), index % 3

    def list_files(self, index: int) -> tuple[Path, ...]:
        return (Path(__file__),)


@dataclass(frozen=True, eq=False)
class HoardingSamples:
    """Sized samples of which each process that reads keeps a copy of its own, as trainers that cache lists do."""

    samples: SizedSamples
    kept: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    is_foreign = False

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, index: int) -> tuple[Array, Array]:
        for each in range(len(self.samples)):
            if each not in self.kept:
                image, target = self.samples.read(each)
                self.kept[each] = image.copy(), target
        return self.kept[index]

    def name(self, index: int) -> str:
        return self.samples.name(index)
