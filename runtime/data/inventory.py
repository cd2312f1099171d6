"""The data sets that this machine has, and those that it could have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from archspec.errors import ArchspecError, InputError
from archspec.wording import tell_count
from runtime.data.known import KNOWN, find_known, list_homes
from runtime.data.layouts import LAYOUTS
from runtime.data.listing import list_data

MAX_SHOWN = 100
"""The largest number of folders of a folder of data sets that are looked into."""

INSIDE = {
    "digits": ("labels", "1,797 gray digits of 8×8, inside scikit-learn"),
    "digit_maps": ("maps", "600 canvases of 32×32 with some of these digits, a class for each pixel"),
    "digit_points": ("joints", "600 canvases of 64×64 with three of these digits, whose centres are joints"),
}
"""The data sets that come with a package: the task of each, and what it is."""


@dataclass(frozen=True)
class FoundSet:
    """A data set: the word of `--data` that names it, its task, what it is, and where it lies; where that is nowhere,
    `command` brings it."""

    name: str
    task: str
    described: str
    here: bool
    place: str | None = None
    command: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "task": self.task,
            "described": self.described,
            "here": self.here,
            "place": self.place,
            "command": self.command,
        }


def list_sets(data_dir: Path | None = None) -> list[FoundSet]:
    """List the data sets that have names, and the folders of data in `data_dir`, in the user's cache and where packages
    put data. Raises InputError where `data_dir` is no folder."""
    if data_dir is not None and not os.path.isdir(data_dir):
        raise InputError(f"{data_dir} is no folder: --data-dir names one that holds folders of data")
    command = None if find_spec("sklearn") else "pip install 'archspec-compiler[train]'"
    inside = [
        FoundSet(name, task, described, command is None, "scikit-learn" if command is None else None, command)
        for name, (task, described) in INSIDE.items()
    ]
    places = {name: find_known(name, data_dir) for name in KNOWN}
    named = [_describe(name, place) for name, place in places.items()]
    taken = {place for place in places.values() if place is not None}
    return [*inside, *named, *(found for home in list_homes(data_dir) for found in _list_folders(home, taken))]


def _describe(name: str, place: Path | None) -> FoundSet:
    known = KNOWN[name]
    if place is None:
        return FoundSet(name, "labels", known.described, False, command=known.command)
    return FoundSet(name, "labels", known.described, True, str(place))


def _list_folders(home: Path, taken: set[Path]) -> Iterator[FoundSet]:
    """The folders of data in a folder that have no name of their own."""
    try:
        with os.scandir(home) as entries:
            folders = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return
    for name in folders[:MAX_SHOWN]:
        folder = home / name
        if folder in taken:
            continue
        try:
            listing = list_data(folder)
        except ArchspecError:
            continue
        layout = next((layout for layout in LAYOUTS if layout.recognize(listing)), None)
        if layout is not None:
            held = tell_count(len(listing.files), "file")
            yield FoundSet(str(folder), layout.task, f"{layout.name}, {held}", True, str(folder))
