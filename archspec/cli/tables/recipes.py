"""The recipes of the zoo as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from archspec.cli.tables.console import console, new_table
from archspec.cli.tables.grid import words
from archspec.wording import tell_count


def print_recipes(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print a line for each recipe."""
    table = new_table(
        "recipe", words("task"), words("length"), "batch", words("optimizer"), words("schedule"), words("source")
    )
    for row in rows:
        length = tell_count(row["epochs"], "epoch") if row["epochs"] else tell_count(row["steps"], "step")
        optimizer = f"{row['optimizer']} {row['lr']:g}"
        table.add_row(
            row["name"], row["task"] or "any", length, str(row["batch"]), optimizer, row["schedule"], row["source"]
        )
    out = console()
    out.print(table)
    out.print("`archspec show recipes/NAME` says every key", style="dim")
