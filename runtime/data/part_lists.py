"""Lists of parts: text files that name the images of a part, a path on each line, beside the data."""

from __future__ import annotations

import os
import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from archspec.errors import InputError, suggest, tell_value
from archspec.wording import list_some, tell_count
from runtime.data.listing import FolderListing, cut_ending, find_ending
from runtime.data.source import DataSource, FileSamples, select
from runtime.data.splits import PART_NAMES, TRAIN
from runtime.data.texts import read_text

LIST_FOLDERS = ("", "ImageSets", "ImageSets/Segmentation", "ImageSets/Main")
"""The folders in which lists are looked for, the first that has some counts; the later ones are VOC's."""

MAX_LIST_BYTES = 1 << 28
"""The largest list, in bytes."""

MAX_ALIKE = 1000
"""The largest number of images of one name in different folders among which that of a line is looked for by the end of
its path, and of images among which one is suggested."""


def find_part_lists(listing: FolderListing) -> Mapping[str, str]:
    """Find the lists of a folder that count, each with the part that its name says: train.txt, val.txt, test.txt.
    Raises InputError where two of them are of one part."""
    by_part: dict[str, str] = {}
    found = next(iter(_group_lists(listing)), {})
    for name, part in found.items():
        if (first := by_part.setdefault(part, name)) != name:
            raise InputError(f"{listing.path(first)} and {listing.path(name)} are both lists of {part}: keep one")
    return found


def _group_lists(listing: FolderListing) -> list[Mapping[str, str]]:
    """The lists with their parts of each of LIST_FOLDERS that has some."""
    found: dict[str, dict[str, str]] = {folder: {} for folder in LIST_FOLDERS}
    for name in listing.files:
        folder, _, last = name.rpartition("/")
        if folder in found and find_ending(last) == ".txt" and (part := PART_NAMES.get(cut_ending(last).lower())):
            found[folder][name] = part
    return [lists for lists in found.values() if lists]


def apply_part_lists(listing: FolderListing, source: DataSource) -> DataSource:
    """Give the samples of a folder the parts that its lists name; those in no list are trained on where there is none
    of those to train on, and else left out, which is noted.

    Raises InputError, with file and line, where a line names no image or several, one that a list has already, or one
    that a folder or a table says to be of another part.
    """
    lists = find_part_lists(listing)
    if not lists or not isinstance(source.samples, FileSamples):
        return source
    groups = source.groups or source.names
    parts = dict(_read_parts(listing, lists, _Names(listing, groups)))
    given = source.parts or [""] * len(groups)
    _check_given(dict(zip(groups, given, strict=True)), parts)
    chosen = [parts[group][0] if group in parts else part for group, part in zip(groups, given, strict=True)]
    source = replace(source, parts=chosen, notes=(*source.notes, *_tell_idle(listing, lists)))
    if TRAIN not in lists.values():
        return source
    kept = [index for index, group in enumerate(groups) if group in parts]
    left = list(dict.fromkeys(group for group in groups if group not in parts))
    if not left:
        return source
    are = "is" if len(left) == 1 else "are"
    names = list_some([Path(name).name for name in lists], 5, ", ")
    note = f"{tell_count(len(left), 'image')} of {source.name} {are} in none of the lists ({names}), and {are} left out"
    return select(source, kept, (f"{note}: {list_some(left, 3, ', ')}",))


def _tell_idle(listing: FolderListing, lists: Mapping[str, str]) -> Iterator[str]:
    """Tell of lists that do not count, since there are others in a folder that comes first."""
    _, *others = _group_lists(listing)
    if idle := [name for group in others for name in group]:
        yield f"the parts are those of {list_some(list(lists), 5, ', ')}; not used: {list_some(idle, 5, ', ')}"


class _Names:
    """The images of a folder by what a line may call them."""

    def __init__(self, listing: FolderListing, names: Sequence[str]) -> None:
        self.listing = listing
        self.names = dict.fromkeys(names)
        self.whole: dict[str, list[str]] = defaultdict(list)
        self.last: dict[str, list[str]] = defaultdict(list)
        for name in self.names:
            last = name.rpartition("/")[2]
            self.whole[_cut_endings(name)].append(name)
            for called in {last, _cut_endings(last)}:
                self.last[called].append(name)

    def find(self, text: str, folder: str) -> list[str]:
        """Find the images that a line of a list in a folder of the data can mean: by the path from there, else by that
        from the data's folder, else by the end of the path; with the ending or without it."""
        text = text.replace("\\", "/")
        if text.startswith("/"):
            text = os.path.relpath(text, os.path.abspath(self.listing.folder))
        text = posixpath.normpath(text)
        paths = dict.fromkeys((posixpath.normpath(posixpath.join(folder, text)), text))
        for path in paths:
            for name in (path, _cut_endings(path)):  # volumes have names without endings
                if name in self.names:
                    return [name]
        for path in paths:
            if path in self.whole:
                return self.whole[path]
        last = text.rpartition("/")[2]
        alike = self.last.get(last) or self.last.get(_cut_endings(last), [])
        if len(alike) > MAX_ALIKE:
            return alike  # any of them: to look through so many for each line would take too long
        return [name for name in alike if _ends(name, text)]


def _ends(name: str, text: str) -> bool:
    """True if a text is the end of a name's path, with the ending of either or without."""
    pairs = (name, text), (_cut_endings(name), text), (name, _cut_endings(text))
    return any(f"/{whole}".endswith(f"/{end}") for whole, end in pairs)


def _cut_endings(name: str) -> str:
    """The name without what says its kind: `a` of a.png, a.nii and a.nii.gz."""
    return cut_ending(cut_ending(name)) if name.lower().endswith(".gz") else cut_ending(name)


def _read_parts(
    listing: FolderListing, lists: Mapping[str, str], names: _Names
) -> Iterator[tuple[str, tuple[str, str]]]:
    """The image of each line, with the part and the place."""
    places: dict[str, str] = {}
    for file, part in lists.items():
        folder, count = file.rpartition("/")[0], 0
        for place, text in _read_lines(listing.path(file)):
            found = names.find(text, folder)
            if len(found) != 1:
                raise InputError(f"{place}: {_tell_no_image(listing, names, text, found)}")
            if found[0] in places:
                raise InputError(f"{place}: {found[0]} is named a second time; the first is {places[found[0]]}")
            places[found[0]] = place
            count += 1
            yield found[0], (part, place)
        if not count:
            raise InputError(f"{listing.path(file)} is the list of {part}, and names no image: fill or remove it")


def _read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines of a list that are not empty, each with its place."""
    for number, line in enumerate(read_text(path, MAX_LIST_BYTES, "list").split("\n"), 1):
        if line.strip():
            yield f"{path}:{number}", line.strip()


def _tell_no_image(listing: FolderListing, names: _Names, text: str, found: Sequence[str]) -> str:
    shown = tell_value(text)
    if found:
        return f"{shown} can be several images ({list_some(found, 3, ', ')}): write the path from the list's folder"
    if (file := listing.find(text)) in names.names:
        return f"{shown} is no path of an image from the list's folder; {file} is one of the data, if that is meant"
    if file is not None:
        return f"{shown} is there ({file}), and no image of the data: it has no mask, or lies in no folder of a class"
    near = suggest(text, list(names.names)[:MAX_ALIKE])
    return f"{shown} is no image of {listing.folder}{near}; each line names one, by its path from the list's folder"


def _check_given(given: Mapping[str, str], parts: Mapping[str, tuple[str, str]]) -> None:
    for name, (part, place) in parts.items():
        if given[name] not in ("", part):
            raise InputError(
                f"{place}: {name} is listed for {part}, and its folder or table says {given[name]}: keep one of both"
            )
