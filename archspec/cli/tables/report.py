"""The analysis of one network."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from archspec.cli.tables.common import console, exactly, in_short, shape_text
from compiler.analysis.cost import CONVENTIONS
from compiler.analysis.paths import Level
from compiler.analysis.report import Report


def print_report(report: Report, *, batch: int, paths: bool) -> None:
    cost = report.cost
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right")
    table.add_column(style="dim")
    for word, shapes in (("input", report.inputs), ("output", report.outputs)):
        for name, shape in shapes.items():
            table.add_row(f"{word} {name}", shape_text(shape), "")
    table.add_row("parameters", f"{cost.parameters:,}", f"trainable, {in_short(cost.parameters)}")
    if cost.frozen:
        table.add_row("", f"{cost.frozen:,}", "frozen")
    table.add_row("buffers", f"{cost.buffers:,}", "BatchNorm's means and variances")
    for convention, meaning in CONVENTIONS.items():
        table.add_row(
            "FLOPs" if convention == "flops" else "MACs", f"{cost.macs[convention]:,}", f"{convention}: {meaning}"
        )
    bytes_ = 4 * batch * cost.activations
    samples = "one sample" if batch == 1 else f"{batch} samples"
    table.add_row(
        "activations",
        f"{cost.activations:,}",
        f"numbers of all results for one sample; {in_short(bytes_)}B in fp32 for {samples}",
    )
    largest = cost.largest
    table.add_row("largest", f"{largest.shape.elements:,}", f"{largest.shape} at {largest.id}")
    table.add_row("paths", exactly(report.paths.op.total), "ways from the inputs to the outputs")
    for name, level in (report.paths.op.by_output or {}).items():
        table.add_row("", exactly(level.total), f"to {name}")
    sizes = ", ".join(f"{name} = {value}" for name, value in report.sizes.items())
    out = console()
    out.print(Text.assemble((report.name, "bold"), f" at {sizes}" if sizes else ""))
    out.print(table)
    if paths:
        _print_lengths("residual or dense bodies", report.paths.block, out)
        _print_lengths("operations", report.paths.op, out)
        _print_through(report, out)


def _print_lengths(unit: str, level: Level, out: Console) -> None:
    lengths = level.by_length or {}
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("length", justify="right")
    table.add_column("paths", justify="right")
    table.add_column("share", justify="right")
    table.add_column("", no_wrap=True)
    top = max(lengths.values(), default=1)
    for length, count in lengths.items():
        share = count * 10**6 // level.total / 10**6  # integers first: the counts may be beyond a float
        bar = "█" * max(1, round(count * 10**6 // top * 30 / 10**6)) if count * 60 > top else "▏"
        table.add_row(str(length), exactly(count), f"{share:.2%}", Text(bar, style="cyan"))
    out.print(f"\npaths by the number of {unit} they pass through", style="bold")
    out.print(table)


def _print_through(report: Report, out: Console) -> None:
    if not report.paths.through:
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("block", style="cyan", no_wrap=True)
    table.add_column("paths", justify="right")
    table.add_column("share", justify="right")
    total = report.paths.op.total
    for block, count in report.paths.through.items():
        table.add_row(block, exactly(count), f"{count * 10**6 // total / 10**6:.2%}")
    out.print("\npaths through each block", style="bold")
    out.print(table)
