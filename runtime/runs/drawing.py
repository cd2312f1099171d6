"""The curves and the page of a run, drawn into its folder."""

from __future__ import annotations

from pathlib import Path

from archspec.files import write_text
from archspec.replacing import PAGE as ANY_PAGE
from archspec.replacing import PICTURE, check_gives_way
from runtime.runs.curves import draw_curves
from runtime.runs.page import CURVES, PAGE, write_run_page
from runtime.runs.record import RunRecord


def draw_run(folder: Path) -> None:
    """Draw the curves and the page of a run into its folder.

    Raises InputError where there is nothing to draw, or something else has one of the two names there, and MissingExtra
    without matplotlib.
    """
    run = RunRecord.read(folder)
    for name, kind in ((CURVES, PICTURE), (PAGE, ANY_PAGE)):
        check_gives_way(folder / name, kind._replace(advice=": move it away"))
    curves = draw_curves([run])
    write_text(folder / CURVES, curves)
    write_text(folder / PAGE, write_run_page(run, curves))
