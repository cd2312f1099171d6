"""Tables of what experiments on networks found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from archspec.cli.output import tell
from archspec.cli.tables.console import console, new_table
from archspec.cli.tables.grid import words
from archspec.wording import escape_controls

if TYPE_CHECKING:
    from runtime.experiments.lesion import Lesion
    from runtime.experiments.pruning import FileComparison, PruningChoice
    from runtime.experiments.shattering import Shattering
    from runtime.experiments.surface import Surface
    from runtime.tasks.task import Task

STEPS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
"""The distances that are shown, as parts of the largest."""

MEANING = {"identity": "its input", "shortcut": "its shortcut", "zeros": "zeros", "input": "its input"}


def print_shattering(results: Sequence[Shattering], picture: Path | None) -> None:
    places = [round(step * (len(results[0].distances) - 1)) for step in STEPS]
    shown = [f"r({results[0].distances[place]:.3g})" for place in places]
    table = new_table("network", "networks", *shown, "r = 1/2 at")
    for found in results:
        half = found.distance_at(0.5)
        count = f"{found.seeds - found.dead} of {found.seeds}" if found.dead else str(found.seeds)
        correlations = (f"{found.correlation[place]:.3f}" for place in places)
        table.add_row(found.name, count, *correlations, "beyond" if half is None else f"{half:.3f}")
    out = console()
    out.print(table)
    _note(out, "r(d): mean correlation of the output's gradient at two inputs of the distance d (root mean square)")
    _say_where(picture)


def print_surfaces(results: Sequence[Surface], picture: Path | None) -> None:
    span = float(results[0].steps[-1])
    table = new_table("network", "loss", f"at {span / 2:g}", f"at {span:g}", "highest", "minima")
    for found in results:
        losses = (found.centre, found.mean_at(span / 2), found.mean_at(span), found.highest)
        table.add_row(found.name, *(f"{loss:.4g}" for loss in losses), str(found.minima))
    out = console()
    out.print(table)
    first = results[0]
    part = "training" if first.part == "train" else "held-out"
    images = ", ".join(dict.fromkeys(f"{found.images:,}" for found in results))
    side = len(first.steps)
    grid = f"on {side} × {side} points; at a distance from the centre: the mean of that ring"
    _note(out, f"over {images} {part} images, {grid}")
    _say_where(picture)


def print_lesions(results: Sequence[Lesion], task: Task, picture: Path | None) -> None:
    out = console()
    for found in results:
        metric = found.metric.replace("_", " ")
        table = new_table(f"{found.name} without", words("instead"), "parameters", "MACs", metric, "lost")
        for item in found.removals:
            counts = (f"-{item.parameters:,}", f"-{item.macs:,}")
            lost = task.rank(found.score) - task.rank(item.score)
            table.add_row(item.name, MEANING[item.stays], *counts, f"{item.score:.4f}", f"{lost:.4f}")
        table.add_row("nothing", "", "", "", f"{found.score:.4f}", "", style="bold")
        out.print(table)
    _note(out, f"on {results[0].images} held-out images; nothing was trained again; MACs: conv-linear")
    _say_where(picture)


def print_choice(choice: PruningChoice) -> None:
    out = console()
    metric = choice.metric.replace("_", " ")
    out.print(
        f"\n{len(choice.parts)} of {choice.of} parts can go within {choice.budget:.3g} of the {metric}", style="bold"
    )
    for part in choice.parts:
        out.print(f"  {part.name}")
    table = new_table("", "whole", "smaller", "ratio")
    for name, before, after in (
        (f"{metric}, {choice.chosen_on:,} training images", choice.before.score, choice.after.score),
        (f"{metric}, held-out images", choice.held_out_before, choice.held_out_after),
    ):
        table.add_row(name, f"{before:.4f}", f"{after:.4f}", "")
    for name, old, new in (
        ("parameters", choice.before.parameters, choice.after.parameters),
        ("MACs (conv-linear)", choice.before.macs, choice.after.macs),
    ):
        table.add_row(name, f"{old:,}", f"{new:,}", f"{new / old:.3f}" if old else "")
    out.print(table)
    _note(out, f"chosen on training images: {choice.search}, {choice.tried:,} networks tried")


def print_files(files: FileComparison, path: Path) -> None:
    out = console()
    table = new_table(escape_controls(f"wrote {path}"), "whole", "smaller", "ratio")
    ratio = files.bytes_after / files.bytes_before
    table.add_row("bytes", f"{files.bytes_before:,}", f"{files.bytes_after:,}", f"{ratio:.3f}")
    for batch, times in files.time_ratios.items():
        table.add_row(f"median time of a run, batch {batch}", "", "", f"{times:.3f}")
    out.print(table)
    _note(out, "the file agrees with torch; times by ONNX Runtime, measured now")


def _note(out: Console, text: str) -> None:
    out.print(text, style="dim")


def _say_where(picture: Path | None) -> None:
    if picture is not None:
        tell(f"wrote {picture}")
