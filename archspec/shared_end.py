"""The end of several processes that work as one: an error that would come again is said by one of them, and no process
begins anew after it. A file that the one who started them names says that it came."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from archspec.errors import ArchspecError, RuntimeFailure

VARIABLE = "ARCHSPEC_SHARED_END"
"""The variable of the environment by which processes know the file."""

PATIENCE = 10
"""The seconds for which a process waits until another one has said its error."""


def has_ended() -> bool:
    """Tell whether an error that would come again has ended one of the processes."""
    return os.path.exists(os.environ.get(VARIABLE, ""))


@contextmanager
def claiming(error: ArchspecError) -> Iterator[bool]:
    """Note that an error ends all processes; the block is told whether it is to say it: the first one is. The others
    wait until it is said, since the end of one process makes that of all.

    A failure of what a process runs on, of which the end of another one is one, may not come again; it is said unless
    there was an error that does.
    """
    place = os.environ.get(VARIABLE)
    if place is None or isinstance(error, RuntimeFailure):
        yield not has_ended()
        return
    try:
        handle = os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        _wait(place)
        yield False
        return
    except OSError:  # where it cannot be written, each says it, and the processes begin anew
        yield True
        return
    try:
        yield True
    finally:
        os.write(handle, b"said")
        os.close(handle)


def _wait(place: str) -> None:
    """Wait until an error is said."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and not os.path.getsize(place):
        time.sleep(0.01)
