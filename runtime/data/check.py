"""The check of data before training: everything is read once, and what is wrong is told."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from archspec.arrays import Array
from archspec.callbacks import OnStep, ignore_step
from archspec.errors import ArchspecError
from archspec.wording import list_some, tell_count, write_size
from runtime.data.dataset import check_classes
from runtime.data.measuring import ChannelSums, survey
from runtime.data.source import DataSource, find_targets, take_channels
from runtime.data.splits import TEST, TRAIN, VALIDATION, split_samples
from runtime.pictures.file import FAINT
from runtime.pictures.geometry import NOT_ASKED
from runtime.pictures.preprocess import LEVELS
from runtime.recipes.data import DataSection

MAX_TOLD = 1000
"""The largest number of findings of one kind that are kept; more are counted."""

KINDS = {
    "unusable": "cannot be used as they are",
    "broken": "cannot be read, or do not fit",
    "left out": "left out, though nothing says so",
    "leak": "in two parts",
    "contradiction": "the same image with two answers",
    "outside": "joints outside of their image",
    "empty": "classes that a part lacks",
    "duplicate": "twice in one part",
    "faint": "nearly black",
    "noted": "left out, as lists, data.yaml or annotations say",
}
"""The kinds of findings, and what each is."""

HARMLESS = ("duplicate", "faint", "noted")
"""The kinds of findings that do not make data bad."""


@dataclass
class DataFindings:
    """What a check found: how many images each part has of each class (of maps, images with such pixels; of joints,
    images where it is labelled), their extents, channels and levels, mean and deviation of the training part, and what
    is wrong, by kind."""

    name: str
    task: str
    classes: tuple[str, ...]
    said: str = ""
    parts: dict[str, int] = field(default_factory=dict)
    counts: dict[str, list[int]] = field(default_factory=dict)
    extents: Counter[tuple[int, ...]] = field(default_factory=Counter)
    channels: Counter[int] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    findings: dict[str, list[str]] = field(default_factory=dict)
    totals: Counter[str] = field(default_factory=Counter)

    @property
    def is_bad(self) -> bool:
        """True if something was found that is wrong."""
        return any(kind not in HARMLESS for kind in self.totals)

    def tell(self, kind: str, message: str) -> None:
        """Add a finding."""
        self.totals[kind] += 1
        if len(self.findings.setdefault(kind, [])) < MAX_TOLD:
            self.findings[kind].append(message)

    def to_dict(self) -> dict[str, Any]:
        """Give all of it as plain data."""
        return {
            "name": self.name,
            "task": self.task,
            "classes": list(self.classes),
            "split": self.said,
            "parts": self.parts,
            "counts": self.counts,
            "extents": [
                {"extents": list(extents), "images": count} for extents, count in self.extents.most_common(100)
            ],
            "channels": {str(number): count for number, count in self.channels.items()},
            "levels": dict(self.levels),
            "mean": list(self.mean),
            "std": list(self.std),
            "bad": self.is_bad,
            "findings": {kind: {"count": self.totals[kind], "told": told} for kind, told in self.findings.items()},
        }


def check_data(source: DataSource, section: DataSection | None = None, on_step: OnStep = ignore_step) -> DataFindings:
    """Read every sample once, one after the other, and tell what is wrong with the data as they would be split.

    A sample that cannot be read, two parts with the same pixels, the same pixels with two answers, joints outside of
    their image, classes that a part has no image of, and what would be left out though nothing says so are findings.
    """
    found = DataFindings(source.name, source.task, source.classes)
    for kind, messages in (("unusable", source.problems), ("left out", source.strays), ("noted", source.notes)):
        for message in messages:
            found.tell(kind, message)
    try:
        check_classes(source.name, source.task, source.classes)
    except ArchspecError as error:
        found.tell("unusable", str(error))
    part_of = _split(source, section or DataSection(), found)
    found.counts = {part: [0] * len(source.classes) for part in found.parts}
    _Reading(source, part_of, found).read_all(on_step)
    for part, counts in found.counts.items():
        lacking = [name for name, count in zip(source.classes, counts, strict=True) if not count]
        if lacking and found.parts[part]:
            found.tell("empty", f"the {part} part has nothing of {list_some(lacking, 5, ', ')}")
    return found


def _split(source: DataSource, section: DataSection, found: DataFindings) -> list[str]:
    """The part of each sample; where they cannot be split, all are of one without a name."""
    try:
        parts = split_samples(source.groups or source.names, source.strata, source.parts, section, source.name)
    except ArchspecError as error:
        found.tell("unusable", str(error))
        found.parts = {"all": len(source.names)}
        return ["all"] * len(source.names)
    part_of = [""] * len(source.names)
    for part, indices in ((TRAIN, parts.train), (VALIDATION, parts.validation), (TEST, parts.test)):
        for index in indices.tolist():
            part_of[index] = part
        if len(indices):
            found.parts[part] = len(indices)
    found.said = parts.said
    return part_of


class _Reading:
    """One pass over all samples."""

    def __init__(self, source: DataSource, part_of: list[str], found: DataFindings) -> None:
        self.source, self.part_of, self.found = source, part_of, found
        seen = survey(source.samples)
        self.samples = take_channels(source.samples, seen.channels) if seen.stored else source.samples
        self.sums, self.first = ChannelSums(), dict[bytes, tuple[int, bytes]]()
        self.largest = 0
        for image in seen.stored if find_targets(source.samples) is None or len(seen.stored) > 1 else ():
            self.found.channels[image.channels] += 1

    def read_all(self, on_step: OnStep) -> None:
        found, count = self.found, len(self.samples)
        for index in range(count):
            try:
                image, target = self.samples[index]
            except ArchspecError as error:
                found.tell("broken", str(error))
            else:
                self.look_at(index, np.asarray(image), np.asarray(target))
            on_step(index + 1, count)
        if 0 < self.largest < FAINT * 65535:
            found.tell(
                "faint", f"images of 16 bits use up to {self.largest:,} of 65,535, and are read as value / 65,535"
            )
        try:
            found.mean, found.std = self.sums.finish()
        except ArchspecError as error:
            found.tell("unusable", str(error))

    def look_at(self, index: int, image: Array, target: Array) -> None:
        found, part = self.found, self.part_of[index]
        found.extents[image.shape[1:]] += 1
        found.levels[f"{image.dtype.itemsize * 8} bits" if image.dtype in LEVELS else str(image.dtype)] += 1
        if image.dtype == np.uint16:
            self.largest = max(self.largest, int(image.max(initial=0)))
        if part in (TRAIN, "all"):
            self.sums.add(image)
        if part in found.counts:
            for number in self.list_classes(target):
                found.counts[part][number] += 1
        if found.task == "joints":
            self.look_at_joints(index, image, target)
        self.look_for_twin(index, image, target)

    def list_classes(self, target: Array) -> Iterator[int]:
        """The classes that a target has."""
        count = len(self.found.classes)
        if self.found.task == "joints":
            yield from np.flatnonzero(_find_labelled(target)).tolist()
            return
        numbers = np.unique(target).tolist()
        yield from (int(number) for number in numbers if number < count and number != NOT_ASKED)

    def look_at_joints(self, index: int, image: Array, target: Array) -> None:
        height, width = image.shape[1:]
        labelled = _find_labelled(target)
        beside = (target[:, 0] < -0.5) | (target[:, 0] > width - 0.5)
        beside |= (target[:, 1] < -0.5) | (target[:, 1] > height - 0.5)
        for number in np.flatnonzero(labelled & beside).tolist():
            place = f"{target[number, 0]:g}, {target[number, 1]:g}"
            name = self.source.names[index]
            self.found.tell(
                "outside",
                f"{name}: {self.found.classes[number]} lies at {place}, beside {write_size((height, width))}",
            )

    def look_for_twin(self, index: int, image: Array, target: Array) -> None:
        """Compare an image with those before it, by a hash of its pixels."""
        key = _hash(image)
        twin, answer = self.first.setdefault(key, (index, _hash(target)))
        if twin == index:
            return
        names, parts = (self.source.names[twin], self.source.names[index]), (self.part_of[twin], self.part_of[index])
        if parts[0] != parts[1]:
            self.found.tell("leak", f"{names[0]} ({parts[0]}) and {names[1]} ({parts[1]})")
        else:
            self.found.tell("duplicate", f"{names[0]} and {names[1]}")
        if answer != _hash(target):
            self.found.tell("contradiction", f"{names[0]} and {names[1]}")


def _find_labelled(pose: Array) -> Array:
    """Find which joints are labelled: by their visibility, or where there is none, by having a place."""
    return np.asarray(pose[:, 2] > 0 if pose.shape[1] > 2 else np.isfinite(pose).all(1))


def _hash(array: Array) -> bytes:
    head = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.blake2b(head + np.ascontiguousarray(array).tobytes(), digest_size=16).digest()


def tell_kind(kind: str, count: int) -> str:
    """Tell a kind of findings and how many there are."""
    return f"{tell_count(count, 'finding')}: {KINDS[kind]}"
