"""The layout of CIFAR's binary files: in each record the label, or two, and the pixels of 32×32 in three planes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from archspec.arrays import Array
from archspec.callbacks import OnStep
from archspec.errors import InputError
from runtime.data.dataset import ArraySamples
from runtime.data.description import DataDescription
from runtime.data.layout import DataLayout
from runtime.data.listing import FolderListing
from runtime.data.source import DataSource
from runtime.data.splits import TEST, TRAIN

SHAPE, PIXELS = (3, 32, 32), 3 * 32 * 32
"""The shape of an image, and the bytes that it takes."""

MAX_CIFAR_BYTES = 1 << 32
"""The largest number of bytes of a file."""

MAX_NAMES = 1 << 16
"""The largest number of bytes of a file of names."""

DESCRIBED = (
    "data_batch_1.bin … and test_batch.bin (CIFAR-10), or train.bin and test.bin (CIFAR-100), the binary version"
)
"""What the layout looks like."""


class CifarKind(NamedTuple):
    """One of the two sets: its files by part, the labels before each image, of which the last counts, the number of
    classes, and the file of their names. `for_python` are the files of the version for Python."""

    train: tuple[str, ...]
    test: tuple[str, ...]
    labels: int
    classes: int
    names: str
    for_python: tuple[str, ...]


CIFAR10 = CifarKind(
    tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    ("test_batch.bin",),
    labels=1,
    classes=10,
    names="batches.meta.txt",
    for_python=("data_batch_1", "test_batch", "batches.meta"),
)

CIFAR100 = CifarKind(
    ("train.bin",),
    ("test.bin",),
    labels=2,
    classes=100,
    names="fine_label_names.txt",
    for_python=("train", "test", "meta"),
)

KINDS = (CIFAR10, CIFAR100)


def recognize(listing: FolderListing) -> bool:
    """Tell whether a folder has files of one of the two sets, also those for Python, which are refused."""
    return any(_find_folder(listing, names) is not None for kind in KINDS for names in (kind.test, kind.for_python))


def read(
    listing: FolderListing,
    description: DataDescription,
    name: str,
    on_step: OnStep,
    kinds: Sequence[CifarKind] = KINDS,
) -> DataSource:
    """Read all images (N, 3, 32, 32) and labels of the first of the kinds that is there. Raises InputError where a file
    is missing or damaged, or there are only those for Python."""
    found = [(kind, _find_folder(listing, kind.test)) for kind in kinds]
    there = [(kind, folder) for kind, folder in found if folder is not None]
    if not there and not any(_find_folder(listing, kind.for_python) is not None for kind in kinds):
        raise InputError(f"{listing.folder} holds none of CIFAR's binary files: expected {DESCRIBED}")
    if not there:
        raise InputError(
            f"{name} holds CIFAR as Python's own objects, which may run any code when they are read: give the binary "
            "version, cifar-10-binary.tar.gz or cifar-100-binary.tar.gz"
        )
    kind, folder = there[0]
    files = [(TRAIN, file) for file in kind.train] + [(TEST, file) for file in kind.test]
    counts = [_count_records(listing.folder / folder / file, kind) for _, file in files]
    images, labels = np.empty((sum(counts), *SHAPE), np.uint8), np.empty(sum(counts), np.int64)
    start = 0
    for done, ((_, file), count) in enumerate(zip(files, counts, strict=True), 1):
        part = slice(start, start + count)
        labels[part], images[part] = _read_records(listing.folder / folder / file, kind, count)
        start += count
        on_step(done, len(files))
    pairs = list(zip(files, counts, strict=True))
    names = [f"{file}[{index}]" for (_, file), count in pairs for index in range(count)]
    parts = [part for (part, _), count in pairs for _ in range(count)]
    classes = _read_names(listing.folder / folder / kind.names, kind)
    return DataSource(name, "labels", ArraySamples(images, labels), classes, names, parts=parts, strata=labels.tolist())


def _find_folder(listing: FolderListing, names: Sequence[str]) -> str | None:
    """The folder, in the folder or itself (""), that has files of all these names."""
    folders = ["", *(f"{folder}/" for folder in listing.folders)]
    return next((folder for folder in folders if all(listing.has(folder + name) for name in names)), None)


def _count_records(path: Path, kind: CifarKind) -> int:
    record = kind.labels + PIXELS
    try:
        size = os.stat(path).st_size
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if not size or size % record or size > MAX_CIFAR_BYTES:
        raise InputError(f"{path} has {size:,} bytes, which are no whole number of records of {record:,}")
    return size // record


def _read_records(path: Path, kind: CifarKind, count: int) -> tuple[Array, Array]:
    record = kind.labels + PIXELS
    try:
        with open(path, "rb") as file:
            content = file.read(count * record)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if len(content) != count * record:
        raise InputError(f"{path} became shorter while it was read")
    rows = np.frombuffer(content, np.uint8).reshape(count, record)
    labels = rows[:, kind.labels - 1]
    if labels.max() >= kind.classes:
        index = int(labels.argmax())
        raise InputError(f"{path} says that image {index} is of class {labels[index]}, and there are {kind.classes}")
    return labels, rows[:, kind.labels :].reshape(count, *SHAPE)


def _read_names(path: Path, kind: CifarKind) -> tuple[str, ...]:
    """The names of the classes by a file with a line for each; their numbers where it does not say them."""
    try:
        with open(path, "rb") as file:
            lines = file.read(MAX_NAMES).decode("utf-8", "replace").split("\n")
    except OSError:
        lines = []
    names = tuple(line.strip() for line in lines if line.strip())
    whole = len(names) == kind.classes == len(set(names))
    return names if whole else tuple(map(str, range(kind.classes)))


LAYOUT = DataLayout("CIFAR's binary files", "labels", DESCRIBED, (), recognize, read)
