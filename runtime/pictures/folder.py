"""The files that a folder stands for, where pictures are wanted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from archspec.errors import InputError
from archspec.file_types import OTHER_PICTURES, READ_PICTURES
from archspec.replacing import KEY as OWN_KEY
from archspec.wording import list_some, tell_count

KEY = "key.json"
"""The file that `run --pictures` writes into a folder beside what it draws there."""

ENDINGS = frozenset(ending for kind in READ_PICTURES for ending in kind.endings)
"""The ends of the names of pictures that are read."""

OTHERS = {ending: kind.name for kind in OTHER_PICTURES for ending in kind.endings}
"""The kinds of pictures that are not read, by the ends of their names."""


@dataclass(frozen=True, slots=True)
class PictureFolder:
    """The pictures that a folder stands for, sorted, and in words which others are there."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...]


def find_pictures(folder: str | Path) -> PictureFolder:
    """Find the PNG and JPEG files of a folder and of those in it. Passed over is what is hidden, what lies behind links
    to folders, and what `run` drew into a folder in it; of what it drew into the folder itself is told.

    Raises InputError where there are none, or the folder cannot be read.
    """
    paths, others, drawn, failed = list[Path](), Counter[str](), list[str](), list[OSError]()
    for inner, names in _walk(folder, failed):
        if KEY in names and OWN_KEY.is_one(inner / KEY):
            drawn.append(str(inner))
            if inner != Path(folder):
                continue
        files = [inner / name for name in names if os.path.isfile(inner / name)]
        paths += [path for path in files if path.suffix.lower() in ENDINGS]
        others.update(OTHERS[path.suffix.lower()] for path in files if path.suffix.lower() in OTHERS)
    if failed and failed[0].filename == str(folder):
        raise InputError(f"cannot read {folder}: {failed[0].strerror}")
    notes = tuple(_tell_passed_over(folder, others, drawn, failed))
    if not paths:
        raise InputError("; ".join((f"{folder} holds no pictures: expected PNG or JPEG files", *notes)))
    return PictureFolder(tuple(sorted(paths)), notes)


def _walk(folder: str | Path, failed: list[OSError]) -> Iterator[tuple[Path, list[str]]]:
    """A folder and those in it, each with the names of its files; what is hidden is left out."""
    for inner, folders, files in os.walk(str(folder), onerror=failed.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield Path(inner), [name for name in files if not name.startswith(".")]


def _tell_passed_over(
    folder: str | Path, others: Counter[str], drawn: list[str], failed: list[OSError]
) -> Iterator[str]:
    if others:
        pictures, verb = tell_count(others.total(), "other picture"), "was" if others.total() == 1 else "were"
        yield f"{pictures} of {folder} ({', '.join(sorted(others))}) {verb} not read: PNG and JPEG are"
    if passed := sorted(inner for inner in drawn if Path(inner) != Path(folder)):
        verb = "was" if len(passed) == 1 else "were"
        yield f"{list_some(passed, separator=', ')} {verb} not read: `run` drew its pictures ({KEY})"
    if len(passed) < len(drawn):
        yield f"{folder} has pictures that `run` drew ({KEY}), and they are read as any others"
    yield from (f"cannot read {error.filename}: {error.strerror}" for error in failed)
