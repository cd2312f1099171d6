"""Samples at the size at which they are cut: read, decoded and resized, and the same each time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from archspec.arrays import Array
from archspec.errors import ArchspecError, InputError
from runtime.data.dataset import ArraySamples, Samples
from runtime.data.preparing import place_uncut, read_shown, size_sample
from runtime.pictures.preprocess import Preprocess
from runtime.tasks.task import Task


class SizedSamples(Protocol):
    """Images (C, *extents) and what is stored of them, both resized but not cut, by index."""

    @property
    def is_foreign(self) -> bool:
        """True if they are read by a program that is not ours, which may draw from the global generators."""

    def __len__(self) -> int: ...

    def read(self, index: int, /) -> tuple[Array, Array]:
        """Give an image and what is stored of it. Raises InputError, naming the file, where they cannot be had."""

    def name(self, index: int, /) -> str:
        """Give what a sample is called in messages."""


@dataclass(frozen=True, eq=False)
class ResizingSamples:
    """Samples that are read and resized each time."""

    samples: Samples
    preprocess: Preprocess
    task: Task

    @cached_property
    def is_foreign(self) -> bool:
        return not isinstance(self.samples, ArraySamples) and not list_files(self.samples, 0)

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, index: int, /) -> tuple[Array, Array]:
        try:
            image, target, own = read_shown(self.samples, index, self._find_shown)
        except ArchspecError:
            raise
        except Exception as error:  # somebody else's program
            raise InputError(f"{self.name(index)} cannot be read: {type(error).__name__}: {error}") from error
        try:
            return size_sample(image, target, self.preprocess, self.task, own)
        except ArchspecError as error:
            raise InputError(f"{self.name(index)}: {error}") from error

    def name(self, index: int, /) -> str:
        files = list_files(self.samples, index)
        return str(files[0]) if files else f"sample {index}"

    def _find_shown(self, own: tuple[int, int]) -> tuple[int, ...]:
        return place_uncut(self.preprocess, own).shown


def list_files(samples: Samples, index: int) -> tuple[Path, ...]:
    """List the files of a sample, its image first; none where the samples know of none."""
    listed: tuple[Path, ...] = samples.list_files(index) if len(samples) and hasattr(samples, "list_files") else ()
    return listed
