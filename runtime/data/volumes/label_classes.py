"""The classes that the numbers in label volumes stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array
from archspec.errors import InputError
from archspec.wording import list_some, tell_count
from runtime.data.volumes.volume import Volume
from runtime.data.volumes.volume_file import as_labels
from runtime.pictures.geometry import NOT_ASKED

MAX_CLASSES = 255
"""The largest number of classes: each voxel has one in a byte, of which one value says that it is not asked."""

MAX_VALUES = 1 << 16
"""The largest number of different numbers in a label volume that are looked at."""


@dataclass(frozen=True, slots=True)
class LabelClasses:
    """The numbers of the classes in files, in the order of the classes, their names, and the numbers of voxels that are
    not asked."""

    values: tuple[int, ...]
    names: tuple[str, ...]
    ignored: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.values) > MAX_CLASSES:
            raise InputError(
                f"there are {len(self.values):,} classes, and at most {MAX_CLASSES} can be told apart: write labels of "
                "fewer, as of larger regions"
            )
        if len(self.values) < 2:
            raise InputError("labels need at least two classes, of which the first is the background")

    def encode(self, labels: Volume) -> npt.NDArray[np.uint8]:
        """Give the class of each voxel, (depth, height, width), NOT_ASKED where none is asked. Raises InputError where
        the volume holds other numbers."""
        found = as_labels(labels)
        known = np.array([*self.values, *self.ignored], np.int64)
        codes = np.array([*range(len(self.values)), *[NOT_ASKED] * len(self.ignored)], np.uint8)
        order = np.argsort(known)
        known, codes = known[order], codes[order]
        if found.dtype == np.uint64:
            found = found.astype(np.int64)
        places = np.minimum(np.searchsorted(known, found), len(known) - 1)
        wrong = known[places] != found
        if wrong.any():
            raise InputError(self._tell_wrong(labels.path, found[wrong]))
        return codes[places]

    def _tell_wrong(self, path: str, numbers: Array) -> str:
        values, counts = np.unique(numbers, return_counts=True)
        listed = list_some(
            [f"{value} in {tell_count(int(count), 'voxel')}" for value, count in zip(values, counts, strict=True)]
        )
        known = list_some(list(self.values), 8, ", ")
        return (
            f"{path} holds labels out of range: {listed}; the classes are {known} (dataset.json or data.yaml says more)"
        )


def find_values(labels: Volume) -> set[int]:
    """Find the numbers that a label volume holds. Raises InputError where there are too many of them, or negative
    ones."""
    values = np.unique(as_labels(labels))
    if len(values) > MAX_VALUES or (len(values) and values[0] < 0):
        found = f"{len(values):,} different numbers" if values[0] >= 0 else f"the number {values[0]}"
        raise InputError(f"{labels.path} holds {found}: labels are few whole numbers from 0 on")
    return set(map(int, values))


def choose_classes(found: Iterable[int], names: Mapping[int, str] | None, ignored: Iterable[int] = ()) -> LabelClasses:
    """Choose the classes: those that are named, else all from 0 to the largest that was found; 0 and NOT_ASKED alone
    are two classes, as in masks, and else NOT_ASKED is left out, unless it is named.

    Raises InputError where they are too many, or fewer than two.
    """
    if names is not None:
        values = tuple(sorted(names))
        left_out = tuple(sorted({*ignored, NOT_ASKED} - set(values)))
        return LabelClasses(values, tuple(names[value] for value in values), left_out)
    there = set(found)
    if there == {0, NOT_ASKED} and NOT_ASKED not in set(ignored):
        return LabelClasses((0, NOT_ASKED), ("background", "foreground"))
    skipped = {*ignored, NOT_ASKED}
    several = sorted(there - skipped)
    last = several[-1] if several else 0
    if last >= MAX_CLASSES:
        return LabelClasses(tuple(several), tuple(map(str, several)), tuple(sorted(skipped)))
    values = tuple(range(max(2, last + 1)))
    labels = ("background", *map(str, values[1:]))
    return LabelClasses(values, labels, tuple(sorted(skipped - set(values))))
