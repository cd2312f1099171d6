"""Paths by length, and through each block."""

from __future__ import annotations

from rich.console import Console

from archspec.cli.tables.console import new_table
from archspec.cli.tables.grid import Column, Grid
from archspec.wording import write_count
from compiler.analysis.paths.counting import PathCounts, Paths


def print_paths(paths: Paths, out: Console) -> None:
    _print_lengths("residual or dense bodies", paths.block, out)
    if paths.ungated is not paths.block:
        _print_lengths("residual or dense bodies", paths.ungated, out, ", gates left out")
    _print_lengths("operations", paths.op, out)
    _print_through(paths, out)


def _print_lengths(unit: str, level: PathCounts, out: Console, what: str = "") -> None:
    lengths = level.by_length or {}
    table = Grid("length", "paths", "share", Column("", "bar", "cyan"))
    top = max(lengths.values(), default=1)
    for length, count in lengths.items():
        share = count * 10**6 // level.total / 10**6  # integers first: the counts may be beyond a float
        bar = "█" * max(1, round(count * 10**6 // top * 30 / 10**6)) if count * 60 > top else "▏"
        table.add_row(str(length), write_count(count), f"{share:.2%}", bar)
    out.print(f"\npaths by the number of {unit} they pass through{what}", style="bold")
    out.print(table)


def _print_through(paths: Paths, out: Console) -> None:
    if not paths.through:
        return
    table = new_table("block", "paths", "share")
    total = paths.op.total
    for block, count in paths.through.items():
        table.add_row(block, write_count(count), f"{count * 10**6 // total / 10**6:.2%}")
    out.print("\npaths through each block", style="bold")
    out.print(table)
