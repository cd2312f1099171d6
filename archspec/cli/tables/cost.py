"""Cost in every convention, by stage and by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from rich.console import Console

from archspec.cli.tables.console import new_table
from archspec.cli.tables.grid import words
from archspec.wording import shorten_bytes, shorten_count, write_shape
from compiler.analysis.certainty import Mark, Marks, find_mark, show
from compiler.analysis.cost.cost import CONVENTIONS, Cost


def print_cost(cost: Cost, out: Console, marks: Marks) -> None:
    """Print the costs; `marks` are those of the report."""
    table = new_table("convention", "one sample", words("counts", "dim"))
    for name, meaning in CONVENTIONS.items():
        table.add_row(name, show(f"{cost.macs[name]:,}", find_mark(marks, f"macs.conventions.{name}")), meaning)
    elementwise = show(f"{cost.elementwise:,}", find_mark(marks, "operations.elementwise"))
    table.add_row("elementwise", elementwise, "operations on single numbers, of which conv-linear has none")
    out.print("\nwhat different tools count", style="bold")
    out.print(table)
    stages = ((write_shape(stage.space) if stage.space else "no map", 1, stage) for stage in cost.stages)
    least, about = marks.get("stages"), marks.get("stages.intensity")
    _print_parts("stages, by the map they end with", stages, cost, out, least, about)
    if cost.blocks:
        title = "residual and dense bodies, each with its shortcut and merge"
        _print_parts(title, _fold(cost), cost, out, least, about)
    intensity = show(f"{cost.intensity():.1f}", find_mark(marks, "operations.intensity"))
    out.print(
        f"intensity: operations for each byte moved, one sample in fp32; in all {shorten_count(cost.operations)} / "
        f"{shorten_bytes(cost.moved())} = {intensity}",
        style="dim",
    )


def _print_parts(
    title: str,
    parts: Iterable[tuple[str, int, Cost]],
    whole: Cost,
    out: Console,
    sums: Mark | None,
    quotients: Mark | None,
) -> None:
    """Print parts; `sums` and `quotients` are the marks of what adds up, and of what is divided."""
    table = new_table("", "×", "nodes", "parameters", "MACs", "share", "elementwise", "intensity")
    total = max(1, whole.macs["conv-linear"])
    for name, times, part in parts:
        macs = part.macs["conv-linear"]
        table.add_row(
            name,
            f"×{times}" if times > 1 else "",
            str(len(part.nodes)),
            show(f"{part.parameters:,}", sums),
            show(f"{macs:,}", sums),
            show(f"{times * macs / total:.1%}", quotients),
            show(f"{part.elementwise:,}", sums),
            show(f"{part.intensity():.1f}", quotients),
        )
    out.print(f"\n{title}", style="bold")
    out.print(table)


def _fold(cost: Cost) -> Iterator[tuple[str, int, Cost]]:
    """Fold bodies of one cost that follow each other into one with their number."""
    for _, group in groupby(cost.blocks.items(), lambda item: item[1].summarize()):
        (name, first), *others = group
        yield name, 1 + len(others), first
