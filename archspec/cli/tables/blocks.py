"""Block libraries: the blocks that there are, and one block with what it takes and what it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from archspec.cli.tables.console import console, new_table
from archspec.cli.tables.grid import words
from archspec.cli.tables.specs import print_tree
from archspec.libraries import BlockUse
from archspec.spec.libraries import Library
from archspec.wording import write_shape

MAX_SHOWN_USERS = 6
"""The largest number of specs that are named as users of a block."""


def print_blocks(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print a line for each block."""
    table = new_table("block", words("library"), words("arguments"), words("specs"), words("description"))
    for row in rows:
        arguments = ", ".join(map(_write_argument, row["arguments"]))
        table.add_row(row["name"], row["library"], arguments, str(len(row["used_by"])), row["description"])
    out = console()
    out.print(table)
    out.print("`archspec show LIBRARY` says what its blocks are made of", style="dim")


def print_library(library: Library) -> None:
    """Print which library it is, and how a spec gets its blocks."""
    out = console()
    out.print(f"{library.name}: {library.description}" if library.description else library.name, style="bold")
    out.print(f"import: [{library.name}]", style="dim")


def print_block(row: Mapping[str, Any], use: BlockUse | None, depth: int | None = None) -> None:
    """Print what a block is and takes, and its layers where a network uses it."""
    out = console()
    out.print(f"\n{row['name']}", style="bold cyan")
    if row["description"]:
        out.print(row["description"])
    if row["arguments"]:
        table = new_table("argument", words("type"), words("default"))
        for argument in row["arguments"]:
            table.add_row(argument["name"], argument["type"], argument["default"] or "needed")
        out.print(table)
    if row["gives"]:
        out.print(f"gives: {', '.join(row['gives'])}")
    out.print(f"used by {_tell_users(row['used_by'])}", style="dim")
    if use is not None:
        out.print(f"in {use.spec}: {use.call}, {write_shape(use.input)} → {write_shape(use.output)}")
        print_tree(use.graph, use.tree, depth)


def _write_argument(argument: Mapping[str, Any]) -> str:
    default = f" = {argument['default']}" if argument["default"] else ""
    return f"{argument['name']}: {argument['type']}{default}"


def _tell_users(specs: list[str]) -> str:
    if not specs:
        return "no spec of the zoo"
    others = f" and {len(specs) - MAX_SHOWN_USERS} more" if len(specs) > MAX_SHOWN_USERS else ""
    return f"{', '.join(specs[:MAX_SHOWN_USERS])}{others}"
