"""Memory at inference and in training."""

from __future__ import annotations

from rich.console import Console

from archspec.cli.tables.console import new_table
from archspec.cli.tables.grid import Grid, words
from archspec.precision import BYTES
from archspec.wording import shorten_bytes
from compiler.analysis.certainty import MarkKind, Marks, explain, find_mark, show
from compiler.analysis.memory.memory import Memory

MAX_VALUES = 8
"""The largest number of values at the peak that are listed."""


def print_memory(memory: Memory, out: Console, marks: Marks, largest: tuple[int, int] | None = None) -> None:
    """Print the memory; `marks` are those of the report, `largest` a number of bytes with the largest batch whose
    training they hold."""
    samples = "one sample" if memory.batch == 1 else f"{memory.batch} samples"
    table = Grid(words(style="bold"), "", words(style="dim"))
    peak, numbers = memory.inference.peak.node, "" if memory.precision in BYTES else ", in fp32"
    told = memory.to_dict()
    for word, key, meaning in (
        ("inference", "inference_peak", f"values at the peak, while {peak} runs"),
        ("", "inference_weights", "weights, beside them"),
        ("training", "training_saved", f"values that the backward pass needs{numbers}"),
        ("", "training_parameters", "parameters"),
        ("", "training_gradients", "their gradients"),
        ("", "training_optimizer", f"the optimizer's state ({memory.optimizer})"),
        ("", "training_buffers", "buffers"),
        ("", "training_total", "all of these"),
    ):
        size, mark = told[f"{key}_bytes"], find_mark(marks, f"memory.{key}_bytes")
        table.add_row(word, show(f"{size:,} B", mark), f"{show(shorten_bytes(size), mark)}, {meaning}")
    out.print(f"\nmemory for {samples} in {memory.precision}", style="bold")
    out.print(table)
    for footnote in explain(memory.marks):
        out.print(footnote, style="dim")
    if largest:
        budget, batch = largest
        total = find_mark(marks, "memory.training_total_bytes")
        about = "" if total is None else "at most " if total.kind is MarkKind.AT_LEAST else "about "
        says = f"{about}{batch:,} is the largest batch" if batch else "not even one sample"
        out.print(f"training: {says} within {budget:,} B ({memory.precision}, {memory.optimizer})", style="bold")
    _print_peak(memory, out)


def _print_peak(memory: Memory, out: Console) -> None:
    table = new_table("values at the peak", "bytes")
    largest = sorted(memory.inference.at_peak.items(), key=lambda item: -item[1])
    for name, size in largest[:MAX_VALUES]:
        table.add_row(name, f"{size:,}")
    if len(largest) > MAX_VALUES:
        table.add_row(f"and {len(largest) - MAX_VALUES} more", f"{sum(size for _, size in largest[MAX_VALUES:]):,}")
    out.print()
    out.print(table)
