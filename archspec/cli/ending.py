"""The end of a command: its exit code, which scripts read, and what it says where it could not answer."""

from __future__ import annotations

import sys

from archspec.cli.output import write_json
from archspec.errors import ArchspecError, SpecError
from archspec.wording import cut_middle

FINDINGS = 1
"""The command did what it was asked, and found something: mistakes, differences, a condition that does not hold."""

COULD_NOT = 2
"""The command could not answer: wrong usage, a file that cannot be read, a spec that does not compile."""

MAX_ERROR = 2000
"""The largest number of characters of a message. File names and names from files stand in it."""


def print_error(error: ArchspecError) -> None:
    """Say on stderr why a command could not answer; mistakes in a spec with the lines they stand in."""
    if isinstance(error, SpecError):
        from archspec.cli.tables.console import console
        from archspec.cli.tables.excerpts import print_messages

        print_messages(error.diagnostics, console(stderr=True))
    else:
        print(f"error: {cut_middle(str(error), MAX_ERROR)}", file=sys.stderr)


def print_errors_as_json(error: ArchspecError) -> None:
    """Say the same on stdout as data, in the form that `check --json` gives mistakes in."""
    print(write_json({"errors": error.to_dicts()}))
