"""Output of a command: lines for people, JSON for programs, and what becomes of them where nobody reads on."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from archspec.errors import ArchspecError
from archspec.wording import escape_controls


def tell(line: str, *, stderr: bool = False) -> None:
    """Print one line for people. Names of files, and from them, stand in it, and may hold anything."""
    print(escape_controls(line), file=sys.stderr if stderr else sys.stdout)


def print_json(result: Any) -> None:
    """Print a result as JSON."""
    with any_digits():
        print(write_json(result))


@contextmanager
def any_digits() -> Iterator[None]:
    """Convert integers of any length for a while: counts of paths may have more digits than Python does by default."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


def write_json(value: Any) -> str:
    """Write JSON in which letters stand as they are, and what moves a cursor or turns the writing is escaped."""
    lines = json.dumps(value, indent=2, ensure_ascii=False).split("\n")
    return "\n".join(line if line.isprintable() else _escape(line) for line in lines)


def _escape(line: str) -> str:
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in line)


class Pipe(io.FileIO):
    """An open file descriptor whose reader may go, as in `archspec list | head`, or whose terminal may be closed. What
    is written after that is dropped, so that the command ends with its own exit code, however much of it was read."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            closed = error.errno == errno.EIO and stat.S_ISCHR(os.fstat(self.fileno()).st_mode)
            if error.errno != errno.EPIPE and not closed:
                raise
            return len(data)


def guard_output() -> None:
    """Make what the process prints outlive its reader, and print names of files that are no text. Raises ArchspecError
    where stdout is closed: the answer has no place to go, and the next file that is opened would be taken for it."""
    for name in ("stderr", "stdout"):
        stream = getattr(sys, name)
        if stream is None and name == "stdout":
            raise ArchspecError("stdout is closed, where the answer goes; `> /dev/null` drops it")
        if stream is None:
            sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
        elif stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            buffer = io.BufferedWriter(Pipe(stream.fileno(), "w", closefd=False))
            guarded = io.TextIOWrapper(
                buffer, stream.encoding, "backslashreplace", line_buffering=name == "stderr" or stream.isatty()
            )
            setattr(sys, name, guarded)
