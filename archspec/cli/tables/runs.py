"""The tables of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archspec.cli.tables.console import console, new_table
from archspec.cli.tables.grid import words
from archspec.wording import cut

if TYPE_CHECKING:
    from runtime.runs.comparison import RunComparison
    from runtime.runs.record import RunRecord


MAX_SETTING = 40
"""The longest value of a setting that is shown whole, in characters: hashes are longer, and names of classes may be."""


def print_runs(runs: Sequence[RunRecord]) -> None:
    """Print a line for each run."""
    out = console()
    if not runs:
        out.print("no runs here: `archspec train` makes some")
        return
    out.print(_tabulate(runs))
    if broken := [run for run in runs if run.broken_lines]:
        told = ", ".join(f"{run.name} ({run.broken_lines})" for run in broken)
        out.print(f"lines of metrics that cannot be read, and are passed over: {told}", style="yellow")


def print_comparison(found: RunComparison) -> None:
    """Print the figures of the runs, and each setting in which they differ."""
    out = console()
    out.print(_tabulate(found.runs))
    out.print()
    if not found.same_metric:
        out.print("the runs are measured by different scores, which do not compare", style="yellow")
    if not found.differences:
        out.print("their settings are the same")
        return
    table = new_table("setting", *(words(run.folder.name) for run in found.runs))
    for name, values in found.differences.items():
        table.add_row(name, *map(_write, values))
    out.print(table)


def _tabulate(runs: Sequence[RunRecord]) -> Any:
    table = new_table("run", words("spec"), words("state"), "steps", words("score"), "test", "validation", "seconds")
    for run in runs:
        scores = [run.score(part) for part in ("test", "validation")]
        told = ["" if score is None else f"{score:.4f}" for score in scores]
        seconds = "" if run.seconds is None else f"{run.seconds:,.0f}"
        state, metric = "finished" if run.finished else "stopped", (run.metric or "").replace("_", " ")
        table.add_row(run.name, run.spec, state, f"{run.last_step:,}", metric, *told, seconds)
    return table


def _write(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else cut(str(value), MAX_SETTING)
