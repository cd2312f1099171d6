"""Volumes and their labels as samples: read, cut to a place, brought to a spacing, in levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archspec.arrays import Array
from archspec.errors import InputError
from archspec.wording import tell_count, write_shape
from runtime.data.stored import StoredImage
from runtime.data.volumes.intensity import find_windows, to_levels
from runtime.data.volumes.label_classes import LabelClasses
from runtime.data.volumes.volume import MAX_VOXELS, Volume, check_same_grid
from runtime.data.volumes.volume_file import open_volume, peek_volume
from runtime.pictures.frame import Frame
from runtime.pictures.geometry import resize_image, resize_map
from runtime.pictures.preprocess import Preprocess

Box = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""A part of a volume: along depth, height and width from which to which share of its extent."""

WHOLE: Box = ((0.0, 1.0), (0.0, 1.0), (0.0, 1.0))
"""All of a volume."""


@dataclass(frozen=True, slots=True)
class VolumeCase:
    """A volume to learn from: the files of its channels, that of its labels, and which part of both is meant. `part`
    is the part of the data that it is said to be of."""

    name: str
    images: tuple[Path, ...]
    labels: Path
    part: str = ""
    box: Box = WHOLE


@dataclass(frozen=True, eq=False)
class VolumeSamples:
    """Volumes and their labels, in the order of `cases`: levels (C, depth, height, width) in uint16 and classes (depth,
    height, width) in uint8, at the preprocessing's spacing and in its window. `spacing` is that of files that say
    none."""

    cases: Sequence[VolumeCase]
    classes: LabelClasses
    preprocess: Preprocess
    spacing: tuple[float, ...] | None = None

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int, /) -> tuple[Array, Array]:
        """Read a volume and its labels. Raises InputError, naming the file, where that cannot be."""
        case = self.cases[index]
        volume, labels = read_case(case, self.classes)
        levels = to_levels(volume.values, find_windows(volume.values, self.preprocess))
        own = cut_box(volume.extents, case.box)
        levels, labels = levels[(slice(None), *own)], labels[own]
        frame = place_spacing(levels.shape[1:], find_spacing(volume, self.preprocess, self.spacing), self.preprocess)
        return resize_image(levels, self.preprocess, frame), resize_map(labels, frame)

    def read_target(self, index: int, /) -> Array:
        """Read the labels of a volume alone. Raises InputError as reading both does; they may lie elsewhere then."""
        case = self.cases[index]
        volume = open_volume(case.labels)
        labels = self.classes.encode(volume)[cut_box(volume.extents, case.box)]
        spacing = find_spacing(volume, self.preprocess, self.spacing)
        return resize_map(labels, place_spacing(labels.shape, spacing, self.preprocess))

    def peek(self, index: int, /) -> StoredImage:
        """Tell the channels of a volume, and the extents of its place, before it is brought to a spacing. Raises
        InputError where the head of a file cannot be read."""
        case = self.cases[index]
        (channels, extents), *others = [peek_volume(path) for path in case.images]
        box = cut_box(extents, case.box)
        return StoredImage(channels + sum(more for more, _ in others), tuple(part.stop - part.start for part in box))

    def list_files(self, index: int, /) -> tuple[Path, ...]:
        """List the files of a sample, its images first."""
        case = self.cases[index]
        return *case.images, case.labels


def read_channels(paths: Sequence[Path]) -> Volume:
    """Read a volume whose channels may lie in several files. Raises InputError where one cannot be read, or they lie on
    different grids."""
    first, *others = [open_volume(path) for path in paths]
    for other in others:
        check_same_grid(first, other)
    if not others:
        return first
    return Volume(
        first.path, np.concatenate([first.values, *(other.values for other in others)]), first.space, first.header
    )


def read_case(case: VolumeCase, classes: LabelClasses) -> tuple[Volume, Array]:
    """Read the volume of a case, and the class of each of its voxels. Raises InputError where one cannot be read, or
    they do not lie on each other."""
    volume, labels = read_channels(case.images), open_volume(case.labels)
    check_same_grid(volume, labels)
    return volume, classes.encode(labels)


def cut_box(extents: Sequence[int], box: Box) -> tuple[slice, ...]:
    """Find the voxels of a box, to the nearest border between two."""
    ends = ((round(low * extent), round(high * extent)) for (low, high), extent in zip(box, extents, strict=True))
    return tuple(slice(low, high) for low, high in ends)


def find_spacing(
    volume: Volume, preprocess: Preprocess, given: Sequence[float] | None = None
) -> Sequence[float] | None:
    """Find the spacing of a volume's voxels; None where nobody asks for it. Raises InputError where the network is
    trained at one, and neither the file nor `given` says the volume's."""
    if preprocess.spacing is None:
        return None
    own = volume.space.spacing or given
    if own is None:
        raise InputError(
            f"{volume.path} does not say how far apart its voxels are, and the network is trained at "
            f"{write_spacing(preprocess.spacing)}: write `spacing: [depth, height, width]` into data.yaml, or save it "
            "as NIfTI"
        )
    return own


def place_spacing(own: Sequence[int], spacing: Sequence[float] | None, preprocess: Preprocess) -> Frame:
    """Find the extents that a volume of spacing `spacing` has at that of the preprocessing. Raises InputError where
    these are too large."""
    if spacing is None or preprocess.spacing is None:
        return Frame.whole(own)
    triples = zip(own, spacing, preprocess.spacing, strict=True)
    shown = tuple(max(1, round(min(extent * apart / wanted, MAX_VOXELS))) for extent, apart, wanted in triples)
    if preprocess.channels * int(np.prod(np.array(shown, object))) > MAX_VOXELS:
        raise InputError(
            f"a volume of {write_shape(own)} voxels, {write_spacing(spacing)} apart, would be {write_shape(shown)} at "
            f"{write_spacing(preprocess.spacing)}: that is more than {MAX_VOXELS:,}"
        )
    return Frame(tuple(own), shown, shown)


def write_spacing(spacing: Sequence[float]) -> str:
    """Write a spacing as messages have it."""
    return " by ".join(f"{extent:.4g}" for extent in spacing)


def read_for(volume: Volume, preprocess: Preprocess) -> tuple[Array, Frame]:
    """Make of a volume what windows are cut out of for a network: its levels (C, *extents) at the network's spacing,
    and the place of its own voxels on these. Raises InputError where it has other channels than the network takes, or
    does not say its spacing."""
    if volume.channels != preprocess.channels:
        raise InputError(
            f"{volume.path} has {tell_count(volume.channels, 'channel')}, and the network takes {preprocess.channels}"
        )
    levels = to_levels(volume.values, find_windows(volume.values, preprocess))
    frame = place_spacing(volume.extents, find_spacing(volume, preprocess), preprocess)
    return resize_image(levels, preprocess, frame), frame
