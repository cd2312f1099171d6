"""The tables of data sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archspec.cli.tables.console import console, new_table
from archspec.cli.tables.grid import words

if TYPE_CHECKING:
    from runtime.data.inventory import FoundSet


def print_sets(found: Sequence[FoundSet]) -> None:
    """Print a line for each data set that is here, and what brings the others."""
    out = console()
    table = new_table("data", words("task"), words("what it is"), words("where"))
    for item in found:
        table.add_row(item.name, item.task, item.described, item.place or "not here", style="" if item.here else "dim")
    out.print(table)
    missing = [item for item in found if not item.here]
    if missing:
        out.print("\nwhat brings the others:")
    for item in missing:
        out.print(f"  {item.name}: {item.command}", soft_wrap=True)
