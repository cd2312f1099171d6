"""The curves and the page of a run, drawn into its folder."""

from __future__ import annotations

from pathlib import Path

from archspec.files import write_text
from runtime.runs.curves import draw_curves
from runtime.runs.page import CURVES, PAGE, write_run_page
from runtime.runs.record import RunRecord


def draw_run(folder: Path) -> None:
    """Draw the curves and the page of a run into its folder. Raises InputError where there is nothing to draw, and
    MissingExtra without matplotlib."""
    run = RunRecord.read(folder)
    write_text(folder / CURVES, draw_curves([run]))
    write_text(folder / PAGE, write_run_page(run))
