"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from archspec.errors import ArchspecError


def check_is_file(path: str | Path) -> None:
    """Raises ArchspecError unless there is a regular file: no folder, and no pipe or device to wait on."""
    if "\0" in str(path):
        raise ArchspecError(f"a file name cannot hold a NUL: {str(path)!r}")
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise ArchspecError(f"{path} does not exist") from None
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise ArchspecError(f"cannot read {path}: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise ArchspecError(f"{path} is not a file")


@contextmanager
def write_whole(path: str | Path) -> Iterator[Path]:
    """Give a path of the same name in a temporary folder beside `path`. On a clean exit what was written there is
    synced and takes its place (companions first, then the file itself); on any error it is removed, and on SIGTERM.
    An ArchspecError that names a file of the folder leaves here naming the file that it was to become.

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
        with unwind_on_sigterm():
            yield folder / target.name
            for written in sorted(folder.iterdir(), key=lambda item: item.name == target.name):
                _sync(written)
                os.replace(written, target.parent / written.name)
            _sync(target.parent)
    except OSError as error:
        raise ArchspecError(f"cannot write {target}: {error.strerror or error}") from error
    except ArchspecError as error:
        hidden, shown = f"{folder}{os.sep}", str(target.parent / "x")[:-1]
        error.args = tuple(item.replace(hidden, shown) if isinstance(item, str) else item for item in error.args)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def unwind_on_sigterm() -> Iterator[None]:
    """By itself the signal ends a process where it stands, with its files and children left; here it does so as an
    interrupt from the keyboard does, unless the program has its own way with it."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows has no handle to sync for a folder
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
