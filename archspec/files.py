"""Files that appear whole or not at all, and what is asked of names and places before."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, TypeAlias

from archspec.errors import ArchspecError, InputError, raising
from archspec.last_resort import passing
from archspec.signals import holding_signals, unwind_on_signals
from archspec.wording import cut_middle

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The numbers of the errors of a disk, or a user's share of it, that is full."""

_ALONE_IN: ContextVar[frozenset[Path]] = ContextVar("_ALONE_IN", default=frozenset())
"""The folders that this thread has locked."""

MAX_LISTED = 10_000
"""The largest number of names in a folder of which all are looked at."""


class FileState(NamedTuple):
    """The part of a file's state that changes when it is written or replaced: its disk, its place there, its length in
    bytes, and its time in nanoseconds."""

    disk: int
    place: int
    size: int
    time: int

    @classmethod
    def read(cls, path: str | Path | int) -> FileState:
        """The state of a file, or of the open one of a number. Raises OSError where there is none."""
        found = os.stat(path)
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    @property
    def written(self) -> tuple[int, int]:
        """The length and time, which a copy that keeps times has too."""
        return self.size, self.time


def check_name(path: str | Path) -> None:
    """Raises ArchspecError unless a file can have this name."""
    shown = cut_middle(repr(os.fspath(path)), 80)
    try:
        if b"\0" in os.fsencode(path):
            raise ArchspecError(f"a file name cannot hold a NUL: {shown}")
    except UnicodeEncodeError as error:
        raise ArchspecError(f"a file name cannot hold half a character: {shown}") from error


@raising(InputError)
def check_file_name(path: str | Path, example: str = "NAME") -> None:
    """Raises InputError where no file can be written under this name: it ends as those of folders do, or a folder is
    there. The message says what to give instead, `example` in that folder."""
    check_name(path)
    text = os.fspath(path)
    if not text:
        raise ArchspecError(f"an empty text names no file; give one, as in {example}")
    if os.path.basename(text) in ("", os.curdir, os.pardir) or os.path.isdir(text):
        inside = os.path.join(text, example)
        raise ArchspecError(f"{text} names a folder; give a file in it, as in {inside}")


def check_is_file(path: str | Path) -> None:
    """Raises ArchspecError unless there is a regular file: no folder, and no pipe or device to wait on."""
    check_name(path)
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise ArchspecError(f"{path} does not exist") from None
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise ArchspecError(f"cannot read {path}: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise ArchspecError(f"{path} is not a file")


def is_plain_file(path: str | Path) -> bool:
    """True if there is a regular file, and no link to one. Path's own methods raise on names that are too long."""
    return os.path.isfile(path) and not os.path.islink(path)


def list_folder(folder: Path) -> list[Path] | None:
    """List what is in a folder, by name; None where it cannot be listed, or has more than MAX_LISTED names."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, MAX_LISTED + 1)]
    except OSError:
        return None
    return [folder / name for name in sorted(names)] if len(names) <= MAX_LISTED else None


Outlived: TypeAlias = Callable[[Path], Callable[[], Iterable[Path]]]
"""A function that is given a file just before another takes its place, and gives one that says just afterwards which
files are of no more use."""


def check_absent(path: str | Path, *, force: bool) -> None:
    """Raises InputError where a file is there that is not to be replaced unasked, and where a folder is."""
    check_file_name(path)
    if os.path.lexists(path) and not force:
        raise InputError(f"{path} is there already; --force replaces it")


@contextmanager
def write_whole(path: str | Path, outlived: Outlived = lambda older: lambda: ()) -> Iterator[Path]:
    """Give a path of the same name in a temporary folder beside `path`. On a clean exit what was written there is
    synced and takes its place (companions first, then the file itself), all of it or nothing, and what `outlived` says
    is removed. On any error the temporary folder is removed, and so it is on SIGTERM and SIGHUP. An ArchspecError that
    names a file of it leaves here naming the file that it was to become.

    A symbolic link stays, and what it leads to is replaced. A file that is replaced leaves its permissions to the new
    one and its companions, and its owner and group where that is permitted; a new file's are those of any other new
    file. Further names of a replaced file (hard links) keep its older content.

    Raises InputError where `path` names a folder, where the folder around it cannot be made or written (missing
    rights, a full disk), and where the file that is there is write-protected.
    """
    check_file_name(path)
    try:
        target = _find_target(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with unwind_on_signals(), _temporary_folder(target.parent) as folder:
            with renaming(Path(path), folder / target.name):
                yield folder / target.name
            written = sorted(folder.iterdir(), key=lambda item: (item.name == target.name, item.name))
            for item in written:
                sync(item)
            with _alone_in(target.parent):
                for item in written:
                    _hand_over(item, target.parent / item.name, target)
                list_useless = outlived(target)
                with holding_signals():
                    _place(written, target.parent)
                    for item in list_useless():
                        item.unlink(missing_ok=True)
            sync(target.parent)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def check_can_write(path: str | Path) -> None:
    """Raises InputError where `write_whole` would, before there is anything to write; what is there stays."""
    with write_whole(path):
        pass


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def updating(path: str | Path) -> Iterator[None]:
    """Have nobody else of this program write the file between its reading and its writing here, where the system can
    lock its folder. Raises ArchspecError where that cannot be read."""
    try:
        with _alone_in(_find_target(path).parent):
            yield
    except OSError as error:
        raise ArchspecError(f"cannot write {path}: {error.strerror or error}") from error


def as_argument(path: str | Path) -> str:
    """A path as a word of a command in a POSIX shell, which no program takes for an option, and no terminal for more
    than a name."""
    text = os.fspath(path)
    text = f"./{text}" if text.startswith("-") else text
    return shlex.quote(text) if text.isprintable() else f"$'{''.join(map(_escape_in_word, text))}'"


def _escape_in_word(letter: str) -> str:
    """Write a letter as it stands between `$'` and `'`."""
    if letter.isprintable():
        return f"\\{letter}" if letter in "\\'" else letter
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(letter))


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder among the system's temporary files, gone afterwards; errors as those of `blaming_scratch`."""
    with blaming_scratch():
        try:
            made = tempfile.TemporaryDirectory()
        except OSError as error:  # no folder for such files can be written
            raise _refuse_scratch(error) from error
        with made as folder, passing(Path(folder)):
            yield Path(folder)


@contextmanager
def renaming(path: Path, temporary: Path) -> Iterator[None]:
    """Have an ArchspecError about the file `temporary` name the user's `path` instead, and one about another file of
    its folder a file beside that."""
    shown = {str(temporary): str(path), f"{temporary.parent}{os.sep}": str(path.parent / "x")[:-1]}
    try:
        yield
    except ArchspecError as error:
        for hidden, name in shown.items():
            error.args = tuple(item.replace(hidden, name) if isinstance(item, str) else item for item in error.args)
        raise


@contextmanager
def blaming_scratch() -> Iterator[None]:
    """Raise, where the disk of temporary files is full while these are written, an ArchspecError that names it and says
    what to do."""
    try:
        yield
    except (OSError, ArchspecError) as error:
        cause = error.__cause__ if isinstance(error, ArchspecError) else error
        if not isinstance(cause, OSError) or cause.errno not in FULL:
            raise
        raise _refuse_scratch(cause) from error


def _refuse_scratch(error: OSError) -> ArchspecError:
    place = tempfile.tempdir or os.environ.get("TMPDIR", "any folder for them")
    why = f"cannot write temporary files in {place}: {error.strerror or error}"
    return ArchspecError(f"{why}; set TMPDIR to a folder with room")


def _place(written: Sequence[Path], folder: Path) -> None:
    """Have files take the places of those of the same names, in their order; where the system refuses one, none does.
    What the last one replaces is there until then, and what the others replace waits in the folder that these come
    from. Raises OSError."""
    aside = {path: path.with_name(f"{path.name}.older") for path in written[:-1]}
    for path in aside:
        if (folder / path.name).is_dir():
            raise OSError(0, f"{path.name} beside it is a folder")
    try:
        for path in written:
            if path in aside:
                _keep(folder / path.name, aside[path])
            os.replace(path, folder / path.name)
    except OSError:
        for path, older in aside.items():
            _put_back(path, older, folder / path.name)
        raise


def _keep(path: Path, aside: Path) -> None:
    """Have a file that is there under another name too; where the system has no such links, under that alone."""
    with suppress(FileNotFoundError):
        try:
            os.link(path, aside, follow_symlinks=False)
        except FileNotFoundError:
            raise
        except OSError:
            os.replace(path, aside)


def _put_back(path: Path, older: Path, place: Path) -> None:
    """Undo what was done of taking a place."""
    if os.path.lexists(older):
        os.replace(older, place)
    elif not os.path.lexists(path):
        place.unlink()


def _find_target(path: str | Path) -> Path:
    """The file that is to be written, behind symbolic links. Raises OSError where it cannot be."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(0, "its symbolic links lead in a circle")
    if target.exists() and not target.is_file():  # a device would be replaced by a file
        raise OSError(0, "it is no regular file")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(0, "it is write-protected")
    return target


@contextmanager
def _temporary_folder(parent: Path) -> Iterator[Path]:
    """A hidden folder whose name is no longer than any that can be written. It is gone afterwards also where a signal
    comes while it is made, or while it is removed."""
    folder = parent / f".archspec-{os.urandom(8).hex()}"
    try:
        folder.mkdir(mode=0o700)
        with passing(folder):
            yield folder
    finally:
        try:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Have a folder alone: other processes and threads of this program wait before they put files into this folder,
    where the system can lock one; whoever is alone in it already waits for nobody."""
    if fcntl is None or folder in _ALONE_IN.get():
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    before = _ALONE_IN.set(_ALONE_IN.get() | {folder})
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        _ALONE_IN.reset(before)
        os.close(handle)


def _hand_over(path: Path, place: Path, target: Path) -> None:
    """Make a file that of whoever has the one in its place, or the one that it accompanies."""
    try:
        to = os.stat(place if place.exists() else target)
    except FileNotFoundError:
        return
    own = os.stat(path)
    if hasattr(os, "chown") and (own.st_uid, own.st_gid) != (to.st_uid, to.st_gid):
        for owner, group in ((-1, to.st_gid), (to.st_uid, -1)):
            with suppress(OSError):
                os.chown(path, owner, group)
    os.chmod(path, stat.S_IMODE(to.st_mode) & 0o777)


def sync(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to the disk. Raises OSError."""
    if os.name == "nt" and path.is_dir():  # Windows has no handle to sync for a folder
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
