"""Tables of a model's answers for files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from rich.text import Text

from archspec.cli.tables.console import console, new_table
from archspec.cli.tables.grid import Column, Grid, words
from archspec.wording import write_shape

if TYPE_CHECKING:
    from runtime.tasks.task import Task

AnswerRow: TypeAlias = Mapping[str, Any]
"""The object that `--json` prints for a file."""


def print_answers(task: Task, rows: Sequence[AnswerRow], provider: str, kept: str) -> None:
    """Print the answers to a task, how the pictures were read, and `kept`, what was written to files."""
    table = new_table("input", *(Column(*column) for column in task.columns))
    for row in rows:
        path = row["path"]
        for cells in task.tabulate(row):
            table.add_row(path, *(Text("no answer", style="dim") if cell is None else cell for cell in cells))
            path = ""
    _print(table, rows, provider, kept)


def print_outputs(rows: Sequence[AnswerRow], provider: str, kept: str) -> None:
    """Print the figures of plain outputs, as `RawOutputs.summarize` gives them."""
    table = new_table("input", words("output"), "shape", "mean", "min", "max")
    for row in rows:
        for name, found in row["outputs"].items():
            figures = ("" if found[key] is None else f"{found[key]:.4g}" for key in ("mean", "min", "max"))
            table.add_row(row["path"], name, write_shape(found["shape"]), *figures)
    _print(table, rows, provider, kept)


def _print(table: Grid, rows: Sequence[AnswerRow], provider: str, kept: str) -> None:
    out = console()
    out.print(table)
    lines = (_tell_readings(rows), f"ran on {provider}" + (f"; {kept}" if kept else ""))
    for line in filter(None, lines):
        out.print(line, style="dim")


def _tell_readings(rows: Sequence[AnswerRow]) -> str:
    """Tell what was done to pictures before the network saw them."""
    read = [row for row in rows if "size" in row]
    padded = sum("padded_to" in row for row in read)
    resized = Counter(tuple(row["resized_to"]) for row in read if "resized_to" in row)
    own = len(read) - padded - resized.total()
    told = [f"{own:,} at own size"] if own else []
    if padded:
        told.append(f"{padded:,} at own size and padded to one that the model takes, by repeating the border")
    for (height, width), count in resized.items():
        sizes = [row["size"] for row in read if row.get("resized_to") == [height, width]]
        changed = sum(before[0] * width != before[1] * height for before in sizes)
        aspect = f" ({changed:,} of them to another aspect ratio)" if changed else ""
        told.append(f"{count:,} resized to {height}×{width}{aspect}")
    grounds = Counter(row["ground"] for row in read if "ground" in row)
    told += [f"{count:,} laid on {ground}" for ground, count in grounds.items()]
    return f"pictures: {'; '.join(told)}" if told else ""
