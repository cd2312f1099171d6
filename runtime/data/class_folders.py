"""The layout of class folders: the pictures of each class in a folder of its name, perhaps in folders of the parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from archspec.callbacks import OnStep
from archspec.wording import list_some, tell_count
from runtime.data.description import DataDescription
from runtime.data.layout import DataLayout
from runtime.data.listing import FolderListing
from runtime.data.part_lists import LIST_FOLDERS
from runtime.data.source import DataSource, LabelledPictures
from runtime.data.splits import PART_NAMES, TRAIN

DESCRIBED = "CLASS/NAME.png (or .jpg), a folder for each class, also in train/, val/ and test/"
"""What the layout looks like."""


class ClassedPicture(NamedTuple):
    """A picture, the name of its class, and the part that a folder names."""

    name: str
    label: str
    part: str


def recognize(listing: FolderListing) -> bool:
    """Tell whether a folder has pictures in folders of at least two classes."""
    found, folders = _find_pictures(listing)
    return len(folders) >= 2 and bool(found)


def read(listing: FolderListing, description: DataDescription, name: str, on_step: OnStep) -> DataSource:
    """Read which pictures there are, and of which class each is. The classes are numbered in the order of their names,
    or in that of `data.yaml`, which may leave out some.

    Raises InputError where `data.yaml` makes no sense. A class without pictures to train on is a problem of the data.
    """
    pictures, folders = _find_pictures(listing)
    order = description.name_classes() or tuple(sorted(folders))
    named = set(order)
    unnamed = [picture.label for picture in pictures if picture.label not in named]
    found = [picture for picture in pictures if picture.label in named]
    numbers = {label: number for number, label in enumerate(order)}
    targets = np.array([numbers[picture.label] for picture in found], np.int64)
    names = [picture.name for picture in found]
    return DataSource(
        name,
        "labels",
        LabelledPictures(listing.folder, names, targets=targets),
        order,
        names,
        parts=[picture.part for picture in found] if any(picture.part for picture in found) else None,
        strata=targets.tolist(),
        notes=tuple(_tell_unnamed(unnamed, name)),
        strays=(*_tell_loose(listing, pictures, name), *listing.tell_not_read()),
        problems=tuple(_find_problems(listing, found, order)),
    )


def _tell_unnamed(unnamed: Sequence[str], name: str) -> Iterator[str]:
    """Tell of pictures in folders that data.yaml does not name."""
    if unnamed:
        told = f"{tell_count(len(unnamed), 'picture')} of {name}, in folders that data.yaml does not name"
        yield f"{told}, {'is' if len(unnamed) == 1 else 'are'} left out: {list_some(sorted(set(unnamed)), 3, ', ')}"


def _tell_loose(listing: FolderListing, pictures: Sequence[ClassedPicture], name: str) -> Iterator[str]:
    """Tell of pictures that are in no folder of a class."""
    loose = sorted(set(listing.pictures) - {picture.name for picture in pictures})
    if loose:
        are = "is" if len(loose) == 1 else "are"
        told = f"{tell_count(len(loose), 'picture')} of {name} {are} in no folder of a class"
        yield f"{told}, and {are} left out: {list_some(loose, 3, ', ')}"


def _find_pictures(listing: FolderListing) -> tuple[list[ClassedPicture], set[str]]:
    """The pictures in folders of classes, in the order of their names, and the classes' folders, empty ones too."""
    parts = find_part_folders(listing)
    found, folders = [], set()
    filled = {name.partition("/")[0] for name in listing.pictures}
    for name in listing.folders:
        pieces = name.split("/")
        if name in LIST_FOLDERS and name not in filled:
            continue  # it holds lists of parts
        if len(pieces) == (2 if parts else 1) and (not parts or pieces[0] in parts):
            folders.add(pieces[-1])
    for name in listing.pictures:
        pieces = name.split("/")
        if parts and len(pieces) > 2 and pieces[0] in parts:
            found.append(ClassedPicture(name, pieces[1], parts[pieces[0]]))
        elif not parts and len(pieces) > 1:
            found.append(ClassedPicture(name, pieces[0], ""))
    return found, folders


def find_part_folders(listing: FolderListing) -> Mapping[str, str]:
    """Find the folders that name parts, with these; none unless all folders of pictures do, and one is of training."""
    tops = {name.partition("/")[0] for name in listing.pictures if "/" in name}
    parts = {name: PART_NAMES[name.lower()] for name in sorted(tops) if name.lower() in PART_NAMES}
    return parts if len(parts) == len(tops) and TRAIN in parts.values() else {}


def _find_problems(listing: FolderListing, found: Sequence[ClassedPicture], order: Sequence[str]) -> Iterator[str]:
    counts = Counter(picture.label for picture in found if picture.part in ("", TRAIN))
    empty = [label for label in order if not counts[label]]
    if empty:
        training = " to train on" if any(picture.part for picture in found) else ""
        yield (
            f"{listing.folder} has no pictures{training} in the folder of {list_some(empty, 5, ', ')}: each class "
            "needs at least one; remove the folder, or name the classes that there are in data.yaml"
        )


LAYOUT = DataLayout("class folders", "labels", DESCRIBED, ("classes",), recognize, read)
