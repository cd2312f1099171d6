"""The end of a process that hears no signals.

Python's handlers wait until the first thread is back from C++, where a runtime computes for as long as a model asks
for, which may be for ever. So another thread waits for signals too, and where no handler has run a little later, it
removes what is not meant to stay and ends the process.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from types import FrameType

GRACE = 2.0
"""The seconds that a signal may wait for its handler."""

SHOW_CURSOR = "\x1b[?25h"
"""The sequence that shows the cursor of a terminal again, which a progress bar has hidden."""

_HEARD = Event()
_PASSING: set[Path] = set()
_PATIENCE: list[str] = []


def tell_heard() -> None:
    """Tell, from a handler of a signal that ends a process, that from now on it ends by itself."""
    _HEARD.set()


@contextmanager
def passing(path: Path) -> Iterator[None]:
    """Have the last resort remove this file or folder, while the block runs."""
    _PASSING.add(path)
    try:
        yield
    finally:
        _PASSING.discard(path)


@contextmanager
def patient(told: str) -> Iterator[None]:
    """Have the first signal that comes wait for its handler as long as that takes, while the block runs, and tell this
    on stderr meanwhile; what comes after it is heard within GRACE seconds, or ends the process."""
    _PATIENCE.append(told)
    try:
        yield
    finally:
        _PATIENCE.clear()


@contextmanager
def end_unheard(ended: Mapping[int, str]) -> Iterator[None]:
    """Have signals end the process whose handlers do not run within GRACE seconds; of these, `ended` has the exit codes
    with what to say. For the first thread alone, and where there are POSIX's signals."""
    if os.name != "posix":
        yield
        return
    came, told = os.pipe()
    os.set_blocking(told, False)
    own = signal.getsignal(signal.SIGINT) == signal.default_int_handler
    before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    try:
        if own:
            signal.signal(signal.SIGINT, _interrupt)
        Thread(target=_watch, args=(came, ended), daemon=True).start()
        yield
    finally:
        if own:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.set_wakeup_fd(before)
        os.close(told)


def _interrupt(number: int, frame: FrameType | None) -> None:
    tell_heard()
    signal.default_int_handler(number, frame)


def _watch(came: int, ended: Mapping[int, str]) -> None:
    while number := os.read(came, 1):
        code = 128 + number[0]
        if code in ended and _PATIENCE:
            told = _PATIENCE.copy()
            _PATIENCE.clear()
            with suppress(OSError):
                os.write(2, "".join(f"{line}\n" for line in told).encode())
        elif code in ended:
            if not _HEARD.wait(GRACE):
                _end(code, ended[code])
            os.set_blocking(came, False)
            with suppress(BlockingIOError):  # a handler may have run once for several
                while os.read(came, 64):
                    pass
            os.set_blocking(came, True)
            _HEARD.clear()
    os.close(came)


def _end(code: int, text: str) -> None:
    for path in list(_PASSING):
        shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):
            path.unlink()
    shown = SHOW_CURSOR if sys.stderr.isatty() else ""
    with suppress(OSError):
        os.write(2, f"{shown}{text}\n".encode())
    os._exit(code)


def _leave_behind() -> None:
    with suppress(ValueError):  # of another thread than the first
        signal.set_wakeup_fd(-1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_behind)  # the parent's is no business of a child's signals
