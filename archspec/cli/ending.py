"""How a command ends: its exit code, which scripts read, and output whose reader or disk may be gone."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
import sys
from typing import Any

from archspec.errors import ArchspecError, SpecError, escape_controls, printable

FINDINGS = 1
"""The command did what it was asked, and found something: mistakes, differences, a condition that does not hold."""

COULD_NOT = 2
"""The command could not answer: wrong usage, a file that cannot be read, a spec that does not compile."""

MAX_ERROR = 2000
"""Characters of a message. File names and names from files stand in it."""


def tell(line: str, *, stderr: bool = False) -> None:
    """Print one line for people. Names of files, and from them, stand in it, and may hold anything."""
    print(escape_controls(line), file=sys.stderr if stderr else sys.stdout)


def print_error(error: ArchspecError) -> None:
    """Say on stderr why a command could not answer; mistakes in a spec with the lines they stand in."""
    if isinstance(error, SpecError):
        from archspec.cli.tables.console import console
        from archspec.cli.tables.excerpts import print_messages

        print_messages(error.diagnostics, console(stderr=True))
    else:
        print(f"error: {printable(str(error), MAX_ERROR)}", file=sys.stderr)


def print_errors_as_json(error: ArchspecError) -> None:
    """Say the same on stdout as data, in the form that `check --json` gives mistakes in."""
    print(write_json({"errors": error.to_dicts()}))


def write_json(value: Any) -> str:
    """JSON in which letters stand as they are, and what moves a cursor or turns the writing is escaped."""
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
    """Make what the process prints outlive its reader, and print names of files that are no text."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper):
            buffer = io.BufferedWriter(Pipe(stream.fileno(), "w", closefd=False))
            guarded = io.TextIOWrapper(
                buffer, stream.encoding, "backslashreplace", line_buffering=name == "stderr" or stream.isatty()
            )
            setattr(sys, name, guarded)
