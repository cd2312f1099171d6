"""The table of what the search for settings tried and found."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from archspec.cli.tables.console import console, new_table
from archspec.cli.tables.grid import Grid, words
from archspec.files import as_argument
from archspec.wording import escape_controls

if TYPE_CHECKING:
    from runtime.measuring.climb import SettingsTrial
    from runtime.measuring.tune import Tuning

STYLES = {"taken": "green", "no faster": "dim", "refused": "yellow", "failed": "yellow"}


def print_tuning(found: Tuning, model: Path, *, stored: bool) -> None:
    """Print each change against the best before it; the result against default settings; what was stored, and what
    next."""
    out = console()
    out.print(_tabulate("change", "times as fast as the best before", found.trials))
    out.print()
    out.print(_tabulate("result", "times as fast as the default", found.finals))
    out.print("times as fast: the median of the rounds, and in brackets their least and largest", style="dim")
    for change in found.untried:
        out.print(f"not tried, for want of time (--seconds): {change}", style="yellow")
    sizes = ", ".join(f"{name} {extent}" for name, extent in found.sizes.items()) or "the only sizes there are"
    out.print(f"default settings: {found.default_milliseconds:.3f} ms a run; {sizes}; {found.key.device}", style="dim")
    if found.busy:
        out.print("the machine was busy with other work: tune again when it is not", style="yellow")
    fuller = {entry.place: entry for entry in found.stayed}
    kept = [entry for entry in found.entries if stored and entry.place not in fuller]
    for entry in found.entries:
        where = "with these sizes fixed" if entry.fixed else "at any size"
        tried = f" ({entry.unfinished})" if entry.unfinished else ""
        out.print(f"{'stored in' if entry in kept else 'not stored in'} {found.path}, {where}{tried}: {entry.settings}")
        if entry.place in fuller:
            older = fuller[entry.place]
            tried = f"{older.tried} of {older.changes} changes tried"
            out.print(
                f"those of a fuller search stay there ({tried}): {older.settings}; --force replaces them, and more "
                "--seconds try more",
                style="yellow",
            )
    if not kept:
        return
    if any(entry.fixed for entry in kept):
        fixed = ", ".join(f'"{name}": {extent}' for name, extent in found.sizes.items())
        quoted = json.dumps(str(model), ensure_ascii=False)
        out.print(f"next: archspec bench {as_argument(model)}, or in Python: Session({quoted}, fixed={{{fixed}}})")
    else:
        out.print(f"next: archspec bench {as_argument(model)}")


def _tabulate(first: str, ratio: str, trials: Iterable[SettingsTrial]) -> Grid:
    table = new_table(first, "ms", ratio, words("verdict"))
    for trial in trials:
        verdict = Text(trial.verdict, style=STYLES[trial.verdict])
        figures = ("", "")
        if trial.milliseconds is not None and trial.ratio is not None:
            spread = f"{trial.ratio:.3f} ({trial.low:.3f}–{trial.high:.3f})"
            figures = (f"{trial.milliseconds:.3f}", spread)
        table.add_row(
            trial.change, *figures, Text.assemble(verdict, f": {escape_controls(trial.why)}" if trial.why else "")
        )
    return table
