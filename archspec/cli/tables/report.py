"""The analysis of one network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from archspec.cli.tables.console import console, print_unknown
from archspec.cli.tables.grid import Grid, words
from archspec.wording import escape_controls, shorten_bytes, shorten_count, write_count, write_shape
from compiler.analysis.certainty import find_mark, show
from compiler.analysis.cost.cost import CONVENTIONS
from compiler.analysis.report import Report

if TYPE_CHECKING:
    from compiler.analysis.signal.choice_effects import ChoiceEffect

OWN_CONVENTIONS = ("conv-linear", "conv-linear-bias", "flops")
"""The conventions that are always shown; --cost shows what other tools count, too."""


def print_report(
    report: Report,
    *,
    batch: int = 1,
    paths: bool = False,
    cost: bool = False,
    largest: tuple[int, int] | None = None,
    measured: Mapping[str, Any] | None = None,
    across: tuple[str, Sequence[ChoiceEffect]] | None = None,
    every: bool = False,
) -> None:
    """Print everything that was asked for, one after the other; `largest` is a number of bytes with the batch that
    fits, and `measured` holds by part what was measured of it."""
    out, measured = console(), measured or {}
    _print_summary(report, batch, out)
    if paths:
        from archspec.cli.tables.paths import print_paths

        print_paths(report.paths, out)
    if cost:
        from archspec.cli.tables.cost import print_cost

        print_cost(report.cost, out, report.marks)
    if report.receptive_field is not None:
        from archspec.cli.tables.receptive_field import print_receptive_field

        print_receptive_field(report.receptive_field, out)
    if report.memory is not None:
        from archspec.cli.tables.memory import print_memory

        print_memory(report.memory, out, report.marks, largest)
    if report.variance is not None:
        from archspec.cli.tables.signal import print_signal

        print_signal(report.variance, measured.get("variance"), out, every=every)
    if across is not None:
        from archspec.cli.tables.signal import print_choices

        print_choices(*across, out)
    if report.gradient is not None:
        from archspec.cli.tables.gradient import print_gradient

        print_gradient(report.gradient, measured.get("gradient"), out)
    if report.lint is not None:
        from archspec.cli.tables.lint import print_lint

        print_lint(report.lint, out)


def _print_summary(report: Report, batch: int, out: Console) -> None:
    cost, marks = report.cost, report.marks

    def count(number: int, key: str, write: Callable[[int], str] = "{:,}".format) -> str:
        return show(write(number), find_mark(marks, key))

    table = Grid(words(style="bold"), "", words(style="dim"))
    for word, shapes in (("input", report.inputs), ("output", report.outputs)):
        for name, shape in shapes.items():
            table.add_row(f"{word} {name}", write_shape(shape), "")
    key = "parameters.trainable"
    table.add_row("parameters", count(cost.parameters, key), f"trainable, {count(cost.parameters, key, shorten_count)}")
    if report.operands:
        table.add_row(
            "", f"{report.operands:,}", "of them in sums, products and joins: a file does not tell masks from these"
        )
    if cost.frozen:
        table.add_row("", count(cost.frozen, "parameters.frozen"), "frozen")
    table.add_row(
        "buffers",
        count(cost.buffers, "parameters.buffers"),
        f"BatchNorm's means and variances{', and constants of the file' if report.types else ''}",
    )
    for what, types in report.types.items():
        of = "numbers stored in the file" if what == "weights" else "results of operations in the file"
        table.add_row(f"{what} in", ", ".join(types), f"{', '.join(f'{many:,}' for many in types.values())} {of}")
    for convention in OWN_CONVENTIONS:
        word = "FLOPs" if convention == "flops" else "MACs"
        macs = count(cost.macs[convention], f"macs.conventions.{convention}")
        table.add_row(word, macs, f"{convention}: {CONVENTIONS[convention]}")
    products = sum(node.macs for node in cost.nodes if node.kind == "product")
    if products:
        table.add_row("", count(products, "macs"), "of the MACs are in products of two values, as attention has them")
    bytes_ = 4 * batch * cost.activations
    samples = "one sample" if batch == 1 else f"{batch} samples"
    table.add_row(
        "activations",
        count(cost.activations, "activations.elements"),
        f"numbers of all results for one sample; {shorten_bytes(bytes_)} in fp32 for {samples}",
    )
    largest = cost.largest
    table.add_row("largest", f"{largest.shape.elements:,}", f"{largest.shape} at {largest.id}")
    table.add_row(
        "paths", count(report.paths.op.total, "paths.op.total", write_count), "ways from the inputs to the outputs"
    )
    for name, level in (report.paths.op.by_output or {}).items():
        table.add_row("", count(level.total, "paths.op.by_output", write_count), f"to {name}")
    sizes = ", ".join(f"{name} = {value}" for name, value in report.sizes.items())
    out.print(Text.assemble((escape_controls(report.name), "bold"), f" at {sizes}" if sizes else ""))
    out.print(table)
    for note in report.notes:
        out.print(f"note: {note}", style="yellow")
    print_unknown(report.unknown, out)
