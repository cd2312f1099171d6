"""Memory at inference and in training."""

from __future__ import annotations

from rich.console import Console

from archspec.cli.tables.common import bytes_in_short, new_table
from archspec.cli.tables.grid import Grid, words
from compiler.analysis.memory import Memory

SHOWN = 8
"""Values at the peak that are listed."""


def print_memory(memory: Memory, out: Console, largest: tuple[int, int] | None = None) -> None:
    """`largest` is a number of bytes with the largest batch whose training they hold."""
    samples = "one sample" if memory.batch == 1 else f"{memory.batch} samples"
    table = Grid(words(style="bold"), "", words(style="dim"))
    inference, training = memory.inference, memory.training
    for word, size, meaning in (
        ("inference", inference.peak.bytes, f"values at the peak, while {inference.peak.node} runs"),
        ("", inference.weights, "weights, beside them"),
        ("training", training.saved, "values that the backward pass needs"),
        ("", training.parameters, "parameters"),
        ("", training.gradients, "their gradients"),
        ("", training.optimizer, f"the optimizer's state ({memory.optimizer})"),
        ("", training.buffers, "buffers"),
        ("", training.total, "all of these"),
    ):
        table.add_row(word, f"{size:,} B", f"{bytes_in_short(size)}, {meaning}")
    out.print(f"\nmemory for {samples} in {memory.precision}", style="bold")
    out.print(table)
    if largest:
        budget, batch = largest
        says = f"{batch:,} is the largest batch" if batch else "not even one sample"
        out.print(f"training: {says} within {budget:,} B ({memory.precision}, {memory.optimizer})", style="bold")
    _print_peak(memory, out)


def _print_peak(memory: Memory, out: Console) -> None:
    table = new_table("values at the peak", "bytes")
    largest = sorted(memory.inference.at_peak.items(), key=lambda item: -item[1])
    for name, size in largest[:SHOWN]:
        table.add_row(name, f"{size:,}")
    if len(largest) > SHOWN:
        table.add_row(f"and {len(largest) - SHOWN} more", f"{sum(size for _, size in largest[SHOWN:]):,}")
    out.print()
    out.print(table)
