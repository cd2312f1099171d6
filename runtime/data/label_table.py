"""The layout of a table that names the class of each picture: a CSV file with the columns `image` and `label`."""

from __future__ import annotations

import numpy as np

from archspec.callbacks import OnStep
from archspec.errors import InputError, tell_value
from runtime.data.csv_table import (
    IMAGE,
    LABEL,
    PART,
    check_one,
    find_column,
    find_file,
    find_tables,
    read_part,
    read_table,
)
from runtime.data.description import DataDescription
from runtime.data.layout import DataLayout
from runtime.data.listing import FolderListing
from runtime.data.mask_pairs import IMAGE_FOLDERS
from runtime.data.source import DataSource, LabelledPictures

DESCRIBED = "a CSV file with the columns image and label (and part: train, val or test)"
"""What the layout looks like."""


def recognize(listing: FolderListing) -> bool:
    """Tell whether a folder has a table of images and labels."""
    return any(find_column(columns, IMAGE) and find_column(columns, LABEL) for columns in find_tables(listing).values())


def read(listing: FolderListing, description: DataDescription, name: str, on_step: OnStep) -> DataSource:
    """Read the class of each picture. The classes are numbered in the order of their names, of whole numbers in theirs.

    Raises InputError, with file and line, where a row names no file, one twice, or no class.
    """
    fitting = [
        file
        for file, columns in find_tables(listing, description).items()
        if find_column(columns, IMAGE) and find_column(columns, LABEL)
    ]
    check_one(listing, fitting, "image and label")
    table = read_table(listing.path(fitting[0]))
    image, label, part = (find_column(table.columns, names) for names in (IMAGE, LABEL, PART))
    assert image is not None and label is not None  # noqa: PT018  (its header was looked at)
    found: dict[str, tuple[str, str]] = {}
    folders = [folder for folder in listing.folders if folder.rpartition("/")[2].lower() in IMAGE_FOLDERS]
    for row in table.rows:
        file = find_file(listing, table, row, image, folders)
        if file in found:
            raise InputError(f"{table.place(row)}: {file} is named a second time")
        if not row.cells[label]:
            raise InputError(f"{table.place(row)}: {file} has no class")
        found[file] = row.cells[label], read_part(table, row, part)
    classes = description.name_classes() or _order({word for word, _ in found.values()})
    numbers = {word: number for number, word in enumerate(classes)}
    for row in table.rows:
        if row.cells[label] not in numbers:
            raise InputError(f"{table.place(row)}: {tell_value(row.cells[label])} is no class of data.yaml")
    names = sorted(found)
    targets = np.array([numbers[found[file][0]] for file in names], np.int64)
    samples = LabelledPictures(listing.folder, names, targets=targets)
    parts = [found[file][1] for file in names]
    return DataSource(name, "labels", samples, classes, names, parts=parts, strata=targets.tolist())


def _order(words: set[str]) -> tuple[str, ...]:
    """The words in their order; whole numbers in that of numbers."""
    whole = all(word.isascii() and word.isdecimal() for word in words)
    return tuple(sorted(words, key=int if whole else None))


LAYOUT = DataLayout("a table of labels", "labels", DESCRIBED, ("classes", "table"), recognize, read)
