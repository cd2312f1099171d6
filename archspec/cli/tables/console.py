"""The console that all tables share: where it goes, and how its lines are broken."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from archspec.cli.tables.grid import Column, Grid, escape_text, words, wrap
from archspec.wording import escape_controls
from compiler.analysis.unknown import tell_unknown

ENDLESS = 10**6
"""The number of columns of a file or a pipe: what reads it takes lines, and not what fits on a screen."""


def console(*, stderr: bool = False) -> Console:
    """A console whose text stands there as it is: names from files are no markup.

    Lines are as long as the terminal or the environment (COLUMNS) says, else as long as they are; no word is broken.
    """
    given = (sys.stderr if stderr else sys.stdout).isatty() or "COLUMNS" in os.environ
    width = None if given else ENDLESS
    return _Console(highlight=False, markup=False, emoji=False, width=width, stderr=stderr)


class _Console(Console):
    """Names from files may hold anything: only the program's own words have colours, and end lines."""

    def print(self, *objects: Any, **how: Any) -> None:
        if not how.get("soft_wrap"):  # which leaves the breaking of lines to the terminal
            objects = tuple(self._break_lines(item) if isinstance(item, str | Text) else item for item in objects)
        super().print(*objects, **{"crop": False, "overflow": "ignore", **how})

    def _break_lines(self, text: str | Text) -> Text:
        """A text with its lines broken between words, and names whole."""
        lines = (self.render_str(text) if isinstance(text, str) else text).split("\n", allow_blank=True)
        return Text("\n").join(part for line in lines for part in wrap(escape_text(line), self.width, cut=False))

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str("\n".join(map(escape_controls, text.split("\n"))), **how)


def print_unknown(kinds: Mapping[str, int], out: Console) -> None:
    """Say which operations a network has that no analysis knows, if any."""
    if kinds:
        told = f"unknown operations: {tell_unknown(kinds)}; their weights, MACs and receptive field are not counted"
        out.print(told, style="yellow")


def new_table(first: str, *others: str | Column) -> Grid:
    """A table whose first column is for names and whose others are for figures, if they do not say otherwise."""
    return Grid(words(first, "cyan"), *others)
