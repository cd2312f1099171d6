"""What every table shares: where it goes, and how counts and shapes are written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from archspec.cli.options import any_digits
from archspec.errors import escape_controls
from archspec.ops import Shape
from compiler.draw.labels import bytes_in_short, in_short

__all__ = ["PLAIN_WIDTH", "bytes_in_short", "console", "exactly", "in_short", "new_table", "shape_text"]

PLAIN_WIDTH = 120
"""Columns where the output goes to a file or a pipe, and nobody said otherwise."""


def console(*, stderr: bool = False) -> Console:
    """What it prints stands there as it is: names from files are no markup."""
    given = (sys.stderr if stderr else sys.stdout).isatty() or "COLUMNS" in os.environ
    width = None if given else PLAIN_WIDTH
    return _Console(highlight=False, markup=False, emoji=False, width=width, stderr=stderr)


class _Console(Console):
    """Names from files may hold anything: only the program's own words have colours, and end lines."""

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str("\n".join(map(escape_controls, text.split("\n"))), **how)


def exactly(count: int) -> str:
    """All digits where a line can hold them, else the first ones and how many there are."""
    with any_digits():
        digits = f"{count:,}"
    if len(digits) <= 60:
        return digits
    plain = digits.replace(",", "")
    return f"{plain[:12]}… ({len(plain):,} digits; --json has all)"


def shape_text(shape: Iterable[int]) -> str:
    return str(Shape(*shape))


def new_table(first: str, *others: str) -> Table:
    """A table whose first column is for names and whose others are for figures."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(first, style="cyan", overflow="fold")
    for name in others:
        table.add_column(name, justify="right")
    return table
