"""The layout of IDX files, as MNIST and what followed it come: images and labels, of a training and of a test part."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections import defaultdict
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np

from archspec.arrays import Array
from archspec.callbacks import OnStep
from archspec.errors import InputError
from archspec.wording import list_some, tell_count, write_shape, write_size
from runtime.data.dataset import ArraySamples
from runtime.data.description import DataDescription
from runtime.data.layout import DataLayout
from runtime.data.listing import FolderListing
from runtime.data.source import DataSource
from runtime.data.splits import PART_NAMES, TEST, TRAIN

MAX_IDX_BYTES = 1 << 32
"""The largest number of bytes of a file's values, unpacked."""

MAX_DEFLATE_RATIO = 1032
"""The largest number of bytes that one byte of deflate, which gzip packs by, can stand for."""

NAME = re.compile(r"(.*?)(train|t10k|test)-(images|labels)[-.]idx([0-9])-ubyte(\.gz)?", re.IGNORECASE)
"""How a file is called: what may stand before, the part, what it holds, its axes, and whether it is packed."""

GZIP, BYTES = b"\x1f\x8b", 8
"""The first bytes of a packed file, and the number that says in a header that values are bytes."""

DESCRIBED = "train-images-idx3-ubyte and train-labels-idx1-ubyte, and the same with t10k or test, packed (.gz) or not"
"""What the layout looks like."""


class IdxPart(NamedTuple):
    """The files of images and of labels of one part, relative to the folder."""

    images: str
    labels: str


def recognize(listing: FolderListing) -> bool:
    """Tell whether a folder has IDX files of images."""
    return any(NAME.fullmatch(name) for name in listing.files)


def read(listing: FolderListing, description: DataDescription, name: str, on_step: OnStep) -> DataSource:
    """Read all images (N, 1, H, W) and labels. Raises InputError where a file is missing or damaged, or images and
    labels do not go together."""
    parts = find_parts(listing, name)
    images, labels, names, of_part = list[Array](), list[Array](), list[str](), list[str]()
    for done, (part, files) in enumerate(parts.items(), 1):
        pixels, found = _read_part(listing, files)
        if images and pixels.shape[1:] != images[0].shape[1:]:
            sizes = f"{write_size(images[0].shape[1:])} and {write_shape(pixels.shape[1:])}"
            raise InputError(f"{name}: the images of its parts are of two sizes, {sizes}")
        images.append(pixels)
        labels.append(found)
        names += [f"{files.images}[{index}]" for index in range(len(found))]
        of_part += [part] * len(found)
        on_step(done, len(parts))
    targets = np.concatenate(labels).astype(np.int64)
    count = int(targets.max()) + 1
    classes = description.name_classes() or tuple(map(str, range(count)))
    if len(classes) < count:
        told = f"{tell_count(len(classes), 'class', 'classes')} named, and the labels go up to {count - 1}"
        raise description.refuse("classes", told)
    samples = ArraySamples(np.concatenate(images)[:, None], targets)
    given = of_part if TEST in parts else None
    return DataSource(name, "labels", samples, classes, names, parts=given, strata=targets.tolist())


def find_parts(listing: FolderListing, name: str) -> Mapping[str, IdxPart]:
    """Find the files of the training part, and of the test part where there is one; of a packed file and the same
    unpacked, the latter. Raises InputError where some are missing, or several sets of them are there."""
    sets: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    for file in sorted(listing.files, key=lambda file: not file.lower().endswith(".gz")):
        if found := NAME.fullmatch(file):
            before, part, kind, _, _ = found.groups()
            sets[before][PART_NAMES.get(part.lower(), TEST), kind.lower()] = file
    if len(sets) > 1:
        shown = list_some([f"{before}…" for before in sorted(sets)], 5, ", ")
        raise InputError(f"{name} holds the IDX files of several sets ({shown}): name the folder of one")
    (files,) = sets.values()
    wanted = [TRAIN] + [TEST] * any(part == TEST for part, _ in files)
    missing = [
        f"{kind} of the {part} part" for part in wanted for kind in ("images", "labels") if (part, kind) not in files
    ]
    if missing:
        raise InputError(f"{name} lacks the {list_some(missing, 4, ', ')}; what is looked for is {DESCRIBED}")
    return {part: IdxPart(files[part, "images"], files[part, "labels"]) for part in wanted}


def _read_part(listing: FolderListing, files: IdxPart) -> tuple[Array, Array]:
    images, labels = read_idx(listing.path(files.images), 3), read_idx(listing.path(files.labels), 1)
    if len(images) != len(labels):
        raise InputError(
            f"{listing.path(files.images)} holds {len(images):,} images, and {files.labels} {len(labels):,} labels"
        )
    if not images.size:
        raise InputError(f"{listing.path(files.images)} holds no images")
    return images, labels


def read_idx(path: Path, axes: int) -> Array:
    """Read an IDX file of bytes with that many axes, packed by gzip or not, in uint8.

    What the header says is checked before anything is read. Raises InputError, naming the file, where it cannot be
    read, is none, holds other values than bytes, too many, more or fewer than it says.
    """
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == GZIP
            file.seek(0)
            with cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file as opened:
                return _read_values(
                    opened, path, axes, os.fstat(file.fileno()).st_size * (MAX_DEFLATE_RATIO if packed else 1)
                )
    except (OSError, EOFError, zlib.error) as error:  # gzip's own error is an OSError
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _read_values(file: BinaryIO, path: Path, axes: int, most: int) -> Array:
    """The values behind the header, of a file that has no more than `most` bytes."""
    header = file.read(4 + 4 * axes)
    if len(header) < 4 + 4 * axes or header[:3] != bytes((0, 0, BYTES)) or header[3] != axes:
        kind = "labels" if axes == 1 else "images"
        raise InputError(
            f"{path} is no IDX file of {kind}: it begins with {header[:4].hex() or 'nothing'}, and not with "
            f"{bytes((0, 0, BYTES, axes)).hex()}"
        )
    shape = [int.from_bytes(header[start : start + 4], "big") for start in range(4, len(header), 4)]
    if prod(shape) > MAX_IDX_BYTES:
        raise InputError(f"{path} says that it holds {write_shape(shape)} bytes: that is more than {MAX_IDX_BYTES:,}")
    values = file.read(prod(shape) + 1) if prod(shape) < most else b""
    if len(values) != prod(shape):
        more = "more" if len(values) > prod(shape) else "fewer"
        raise InputError(f"{path} says that it holds {write_shape(shape)} bytes, and there are {more}")
    return np.frombuffer(values, np.uint8).reshape(shape)


LAYOUT = DataLayout("IDX files", "labels", DESCRIBED, ("classes",), recognize, read)
