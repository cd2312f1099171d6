"""The layouts of folders of data that are understood, in the order in which they are tried."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from archspec.errors import ArchspecError
from archspec.strict_json import read_json
from archspec.wording import list_some
from runtime.data import cifar, class_folders, idx, keypoints_coco, keypoints_csv, label_table, mask_pairs
from runtime.data.csv_table import find_tables, read_table
from runtime.data.layout import DataLayout
from runtime.data.listing import FolderListing
from runtime.data.volumes import folder as volumes

MAX_SUSPECT = 1 << 26
"""The largest file, in bytes, that is read only to tell why it is not taken for one of data."""


LAYOUTS: tuple[DataLayout, ...] = (
    volumes.LAYOUT,
    keypoints_coco.LAYOUT,
    keypoints_csv.LAYOUT,
    mask_pairs.LAYOUT,
    label_table.LAYOUT,
    idx.LAYOUT,
    cifar.LAYOUT,
    class_folders.LAYOUT,
)
"""A layout whose folders look like those of another stands before it."""


def tell_suspects(listing: FolderListing) -> Iterator[str]:
    """Tell of the files of a folder that no layout takes which could have been meant to say what its pictures are: why
    they cannot be read, or what they lack."""
    folders = {name.partition("/")[0] for name in listing.pictures if "/" in name}
    if listing.pictures and len(folders) == 1:
        yield f"all its pictures lie in {folders.pop()}, and one class alone teaches nothing"
    for name in keypoints_coco.list_candidates(listing):
        yield from _suspect(listing, name, _doubt_json)
    for name in find_tables(listing):
        yield from _suspect(listing, name, _doubt_table)


def _suspect(listing: FolderListing, name: str, doubt: Callable[[Path], str]) -> Iterator[str]:
    path = listing.path(name)
    try:
        if os.stat(path).st_size <= MAX_SUSPECT:
            yield doubt(path)
    except ArchspecError as error:
        yield str(error)
    except OSError as error:
        yield f"cannot read {path}: {error.strerror}"


def _doubt_json(path: Path) -> str:
    read_json(path.read_bytes(), str(path))
    return f"{path} has none of COCO's images, annotations and categories"


def _doubt_table(path: Path) -> str:
    return f"{path}:1 names the columns {list_some(read_table(path).columns, 5, ', ')}"
