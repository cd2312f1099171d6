"""The files of a folder and of those in it, by names that are the same on every machine."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from archspec.callbacks import OnStep, ignore_step
from archspec.errors import InputError
from archspec.file_types import OTHER_PICTURES, READ_PICTURES
from archspec.wording import list_some, tell_count

MAX_FILES = 1 << 22
"""The largest number of files in a folder of data, those of the folders in it counted."""

MAX_FOLDERS = 1 << 17
"""The largest number of folders in a folder of data. Links may lead to one folder in many ways."""

PICTURE_ENDINGS = frozenset(ending for kind in READ_PICTURES for ending in kind.endings)
"""The ends of the names of pictures that are read."""

OTHER_ENDINGS = {ending: kind.name for kind in OTHER_PICTURES for ending in kind.endings}
"""The kinds of pictures that are not read, by the ends of their names."""

PASSED_OVER = ("__MACOSX", "__pycache__")
"""The names of folders that programs leave beside data."""


@dataclass(frozen=True, eq=False)
class FolderListing:
    """The files and the folders in a folder of data, by their names relative to it, with `/` between their parts, each
    in the order of these names."""

    folder: Path
    files: tuple[str, ...]
    folders: tuple[str, ...]

    @cached_property
    def pictures(self) -> tuple[str, ...]:
        """The files whose names are those of pictures that are read."""
        return tuple(name for name in self.files if find_ending(name) in PICTURE_ENDINGS)

    @cached_property
    def top_files(self) -> tuple[str, ...]:
        """The files that lie in the folder itself."""
        return tuple(name for name in self.files if "/" not in name)

    @cached_property
    def top_folders(self) -> tuple[str, ...]:
        """The folders that lie in the folder itself."""
        return tuple(name for name in self.folders if "/" not in name)

    @cached_property
    def _by_last_part(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for name in self.files:
            found[name.rpartition("/")[2]].append(name)
        return found

    @cached_property
    def _folder_names(self) -> frozenset[str]:
        return frozenset(name.rpartition("/")[2] for name in self.folders)

    @cached_property
    def _all(self) -> frozenset[str]:
        return frozenset(self.files)

    def path(self, name: str) -> Path:
        """The path of a file."""
        return self.folder / name

    def has(self, name: str) -> bool:
        """True if there is a file of that name."""
        return name in self._all

    def list_in(self, folder: str, names: Sequence[str]) -> list[str]:
        """List which of the names lie in a folder of the folder, or in one in it; "" is the folder itself."""
        return [name for name in names if name.startswith(f"{folder}/")] if folder else list(names)

    def find(self, name: str, folders: Sequence[str] = ()) -> str | None:
        """Find the file that a text of the data names: relative to the folder, to one of `folders` in it, or by the
        end of its path where one file has it. What leads there on another machine is passed over, but for a folder that
        is here: a file that is not in it is not there. None where there is none, or several have the end."""
        wanted = name.replace("\\", "/").removeprefix("./")
        for folder in ("", *folders):
            tried = f"{folder}/{wanted}" if folder else wanted
            if tried in self._all:
                return tried
        parts = wanted.split("/")
        alike = self._by_last_part.get(parts[-1], ())
        for start, part in enumerate(parts):
            end = "/".join(parts[start:])
            several = [file for file in alike if file == end or file.endswith(f"/{end}")]
            if several or part in self._folder_names:
                return several[0] if len(several) == 1 else None
        return None

    def tell_not_read(self) -> tuple[str, ...]:
        """Tell of the pictures of kinds that are not read, in one sentence; none where there are none."""
        kinds = Counter(OTHER_ENDINGS[ending] for ending in map(find_ending, self.files) if ending in OTHER_ENDINGS)
        if not kinds:
            return ()
        told, verb = tell_count(kinds.total(), "other picture"), "is" if kinds.total() == 1 else "are"
        return (f"{told} ({', '.join(sorted(kinds))}) {verb} not read: PNG and JPEG are",)


def find_ending(name: str) -> str:
    """Find the end of a file's name from its last point on, in small letters.

    >>> find_ending("train/cat/1.JPG")
    '.jpg'
    """
    last = name.rpartition("/")[2]
    stem, point, end = last.rpartition(".")
    return f".{end.lower()}" if point and stem else ""


def cut_ending(name: str) -> str:
    """A file's name without its ending.

    >>> cut_ending("train/cat.1.png")
    'train/cat.1'
    """
    return name[: len(name) - len(find_ending(name))]


def list_data(folder: str | Path, on_step: OnStep = ignore_step) -> FolderListing:
    """List a folder of data. What is hidden is passed over, and what is no file. A link to a folder is followed, but
    not back into a folder that it lies in. `on_step` hears how many folders are listed, of how many that are known.

    Raises InputError where the folder is missing, cannot be read, or holds more than the program lists.
    """
    files: list[str] = []
    folders: list[str] = []
    failed: list[str] = []
    for name, entry in _walk(str(folder), failed, on_step):
        (folders if entry else files).append(name)
        if len(files) > MAX_FILES or len(folders) > MAX_FOLDERS:
            raise InputError(
                f"{folder} holds more than {MAX_FILES:,} files or {MAX_FOLDERS:,} folders: name the folder that holds "
                "the data alone"
            )
    if failed:
        raise InputError(f"cannot read {list_some(failed)}")
    return FolderListing(Path(folder), tuple(sorted(files)), tuple(sorted(folders)))


def _walk(root: str, failed: list[str], on_step: OnStep) -> Iterator[tuple[str, bool]]:
    """The name of each file and folder in a folder, and whether it is a folder."""
    waiting, done = [("", root, frozenset[tuple[int, int]]())], 0
    while waiting:
        on_step(done, done + len(waiting))
        name, path, above = waiting.pop()
        done += 1
        try:
            state = os.stat(path)
            if (state.st_dev, state.st_ino) in above:
                continue
            with os.scandir(path) as entries:
                found = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            failed.append(f"{path}: {error.strerror or error}")
            continue
        if name:
            yield name, True
        inside = above | {(state.st_dev, state.st_ino)}
        for entry in found:
            inner = f"{name}/{entry.name}" if name else entry.name
            if _is_folder(entry):
                if entry.name not in PASSED_OVER:
                    waiting.append((inner, entry.path, inside))
            elif not _is_special(entry):
                yield inner, False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle
        return False


def _is_special(entry: os.DirEntry[str]) -> bool:
    """True of a pipe, a socket or a device, and of a link to one: to read it may never end."""
    try:
        return not entry.is_file() and entry.stat() is not None
    except OSError:  # a link that leads nowhere, which is told where it is read
        return False
