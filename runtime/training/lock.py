"""One training at a time in a run's folder."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from archspec.errors import InputError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCK = ".lock"
"""The name of the file, in the folder of checkpoints, that a training holds while it goes on."""


class RunLock:
    """A lock on a folder, which is made where it is not there. The system lets go of it whatever ends the process.

    Raises InputError where another training has it, and where it cannot be made. Where the file system knows no locks,
    nothing is held.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self._handle = folder / LOCK, -1
        try:
            self._open()
            while not self._is_there():  # the one who held it has removed it since it was opened
                os.close(self._handle)
                self._open()
        except BlockingIOError:
            found = os.read(self._handle, 20).decode(errors="replace").strip()
            os.close(self._handle)
            who = f"process {found}" if found.isdigit() else "another process"
            raise InputError(
                f"{folder.parent} is being written by a training, {who}: wait until it is over, or choose another "
                "folder (-o)"
            ) from None
        except OSError as error:
            raise InputError(f"cannot write {folder}: {error.strerror or error}") from error

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        self._take()

    def _is_there(self) -> bool:
        """Tell whether the file that is held is still the one in the folder."""
        try:
            return os.path.samestat(os.fstat(self._handle), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _take(self) -> None:
        if fcntl is not None:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise
            except OSError:  # a file system without locks
                return
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go of the folder, and remove it where nothing is in it."""
        if self._handle < 0:
            return
        with suppress(OSError):
            self.path.unlink()
            self.path.parent.rmdir()
        os.close(self._handle)
        self._handle = -1
