"""A layout of folders of data: what it is called, what it looks like, and what reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from archspec.callbacks import OnStep, ignore_step
from runtime.data.description import DataDescription, read_description
from runtime.data.listing import FolderListing
from runtime.data.source import DataSource


@dataclass(frozen=True)
class DataLayout:
    """One kind of data in folders: the task that it is for, what it looks like, in a few words, and the keys of
    data.yaml that say something of it (None: its reader has keys of its own, and reads the file by itself).

    `recognize` tells by the listing whether a folder is laid out so; `reader` makes its samples, by what data.yaml
    says, and hears how many files of how many it has looked at.
    """

    name: str
    task: str
    described: str
    keys: tuple[str, ...] | None
    recognize: Callable[[FolderListing], bool]
    reader: Callable[[FolderListing, DataDescription, str, OnStep], DataSource]

    def read(self, listing: FolderListing, name: str, on_step: OnStep = ignore_step) -> DataSource:
        """Read a folder that is laid out so, which messages call `name`. Raises InputError where it cannot be used, and
        for a key of data.yaml that says nothing of it."""
        description = DataDescription()
        if self.keys is not None:
            description = read_description(listing)
            description.check_keys(self.keys, self.name)
        return self.reader(listing, description, name, on_step)
