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

OWN = "at own size"

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
    counted = Counter(_tell_reading(row) for row in read)
    changed = Counter(_tell_reading(row) for row in read if _is_distorted(row))
    told = []
    for what, count in sorted(counted.items(), key=lambda item: item[0] != OWN):
        aspect = f" ({changed[what]:,} of them to another aspect ratio)" if changed[what] else ""
        told.append(f"{count:,} {what}{aspect}")
    grounds = Counter(row["ground"] for row in read if "ground" in row)
    told += [f"{count:,} laid on {ground}" for ground, count in grounds.items()]
    return f"pictures: {'; '.join(told)}" if told else ""


def _tell_reading(row: AnswerRow) -> str:
    """Tell how one picture came to the network's size."""
    resized = "resized" if "resized_to" in row else OWN
    if "fill" in row:
        return f"fitted into {write_shape(row.get('padded_to', row.get('resized_to', row['size'])))}, with bars"
    if "cropped_to" in row:
        return f"{resized} and cut to the middle {write_shape(row['cropped_to'])}"
    if "padded_to" in row:
        return f"{resized} and padded to one that the model takes, by repeating the border"
    return f"resized to {write_shape(row['resized_to'])}" if "resized_to" in row else OWN


def _is_distorted(row: AnswerRow) -> bool:
    """Tell whether a picture was resized to another aspect ratio, by more than its last pixel."""
    (height, width), (shown_height, shown_width) = row["size"], row.get("resized_to", row["size"])
    return bool(abs(height * shown_width - width * shown_height) >= max(height, width))
