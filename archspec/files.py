"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archspec.errors import ArchspecError


def check_is_file(path: str | Path) -> None:
    """Raises ArchspecError unless there is a regular file: no folder, and no pipe or device to wait on."""
    if "\0" in str(path):
        raise ArchspecError(f"a file name cannot hold a NUL: {str(path)!r}")
    if not Path(path).exists():
        raise ArchspecError(f"{path} does not exist")
    if not Path(path).is_file():
        raise ArchspecError(f"{path} is not a file")


@contextmanager
def write_whole(path: str | Path) -> Iterator[Path]:
    """Give a path of the same name in a temporary folder beside `path`. On a clean exit what was written there is
    synced and takes its place (companions first, then the file itself); on any error it is removed.

    Raises ArchspecError where the folder cannot be made or written (missing rights, a full disk).
    """
    target = Path(path)
    try:
        if target.is_dir():
            raise IsADirectoryError(0, "it is a directory")
        if target.exists() and not target.is_file():  # a device would be replaced by a file
            raise OSError(0, "it is no regular file")
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise ArchspecError(f"cannot write {target}: {error.strerror or error}") from error
    try:
        yield folder / target.name
        for written in sorted(folder.iterdir(), key=lambda item: item.name == target.name):
            _sync(written)
            os.replace(written, target.parent / written.name)
        _sync(target.parent)
    except OSError as error:
        raise ArchspecError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows has no handle to sync for a folder
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
