"""The tables of data sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archspec.cli.tables.console import console, new_table
from archspec.cli.tables.grid import words
from archspec.wording import list_some, tell_count, write_shape, write_size

if TYPE_CHECKING:
    from runtime.data.check import DataFindings
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


MAX_LINES = 10
"""The largest number of findings of one kind that are printed; --json has more."""


def print_findings(found: DataFindings) -> None:
    """Print what a check found: the classes with their images in each part, what the images are like, and what is
    wrong."""
    from runtime.data.check import HARMLESS, tell_kind

    out = console()
    total = sum(found.parts.values())
    parts = ", ".join(f"{part} {count:,}" for part, count in found.parts.items())
    out.print(
        f"{found.name}: {tell_count(total, 'image')} for the task {found.task} ({parts}; {found.said or 'not split'})"
    )
    table = new_table("class" if found.task != "joints" else "joint", *found.counts)
    for number, name in enumerate(found.classes):
        table.add_row(name, *(f"{counts[number]:,}" for counts in found.counts.values()))
    out.print(table)
    sizes = [
        f"{write_shape(extents) if number else write_size(extents)} ({count:,})"
        for number, (extents, count) in enumerate(found.extents.most_common())
    ]
    out.print(f"sizes: {list_some(sizes, 5, ', ')}")
    levels = ", ".join(f"{name} ({count:,})" for name, count in found.levels.items())
    channels = ", ".join(f"{number} ({count:,})" for number, count in sorted(found.channels.items()))
    out.print(f"levels: {levels}" + (f"; channels: {channels}" if channels else ""))
    if found.mean:
        mean, std = (", ".join(f"{value:.4f}" for value in values) for values in (found.mean, found.std))
        out.print(f"training images: mean {mean}; standard deviation {std}")
    for kind, messages in found.findings.items():
        out.print(f"\n{tell_kind(kind, found.totals[kind])}", style="yellow" if kind in HARMLESS else "red")
        for message in messages[:MAX_LINES]:
            out.print(f"  {message}")
        if found.totals[kind] > MAX_LINES:
            out.print(f"  and {found.totals[kind] - MAX_LINES:,} more (--json has them)")
    if not found.is_bad:
        out.print("nothing is wrong", style="green")
