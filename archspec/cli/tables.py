"""What commands print for people."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from archspec.cli.options import any_digits
from archspec.cli.tree import Branch
from archspec.ops import Shape
from compiler.analysis.cost import CONVENTIONS
from compiler.analysis.paths import Level
from compiler.analysis.report import Report
from compiler.graph import Graph

if TYPE_CHECKING:
    from runtime.bench import Row
    from runtime.doctor import Report as Doctor
    from runtime.evaluate import Evaluation
    from runtime.monte_carlo import MonteCarlo
    from runtime.predict import RawOutputs
    from runtime.tasks.answers import ClassMap, Pose, Prediction

PLAIN_WIDTH = 120
"""Columns where the output goes to a file or a pipe, and nobody said otherwise."""


def console() -> Console:
    """What it prints stands there as it is: names from files are no markup."""
    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)


def in_short(count: int) -> str:
    """Three digits and a unit: 25.6 M."""
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            digits = 2 if count < 10 * size else 1 if count < 100 * size else 0
            return f"{count / size:.{digits}f} {unit}"
    return str(count)


def exactly(count: int) -> str:
    """All digits where a line can hold them, else the first ones and how many there are."""
    with any_digits():
        digits = f"{count:,}"
    if len(digits) <= 60:
        return digits
    plain = digits.replace(",", "")
    return f"{plain[:12]}… ({len(plain):,} digits; --json has all)"


def shape_text(shape: Iterable[int]) -> str:
    return str(Shape(*shape))


@contextmanager
def follow_zoo() -> Iterator[Callable[[str, int, int], None]]:
    """Says on stderr, where that is a terminal, which spec of the zoo is being counted."""
    if not sys.stderr.isatty():
        yield lambda name, number, count: None
        return
    with Console(stderr=True).status("counting") as status:
        yield lambda name, number, count: status.update(f"counting {name}, {number} of {count}")


def print_zoo(rows: Iterable[Mapping[str, Any]], *, descriptions: bool = False) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("spec", style="cyan", no_wrap=True)
    table.add_column("family", no_wrap=True)
    table.add_column("input", no_wrap=True)
    for name in ("parameters", "MACs"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("description" if descriptions else "source")
    for row in rows:
        inputs = ", ".join(shape_text(shape) for shape in row["inputs"].values())
        counts = in_short(row["parameters"]), in_short(row["macs"])
        last = row["description" if descriptions else "source"]
        table.add_row(row["name"], row["family"], inputs, *counts, last)
    out = console()
    out.print(table)
    out.print(f"MACs: {CONVENTIONS['conv-linear']}", style="dim")


def print_tree(graph: Graph, tree: Branch) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(graph.name, no_wrap=True, overflow="ellipsis")
    for name in ("output", "parameters", "MACs"):
        table.add_column(name, justify="right", no_wrap=True)
    for depth, branch in _walk(tree):
        kind, _, fields = branch.label.partition("(")
        named = branch.name if branch.name.startswith(kind) else f"{branch.name}  {kind}"
        label = Text("  " * depth + named, style="bold" if branch.children else "")
        label.append(f"  {fields.rstrip(')')}", style="dim")
        if branch.times > 1:
            label.append(f"  ×{branch.times}", style="magenta")
        counts = [f"{count:,}" if count else "" for count in (branch.parameters, branch.macs)]
        table.add_row(label, shape_text(branch.shape), *counts, style="bold" if branch.children else "")
    table.add_section()
    table.add_row("total", "", f"{tree.parameters:,}", f"{tree.macs:,}", style="bold")
    out = console()
    out.print(table)
    sizes = ", ".join(f"{name} = {value}" for name, value in graph.sizes.items())
    out.print(
        f"for one sample{' at ' + sizes if sizes else ''}; ×N: N equal neighbours, the figures are for one", style="dim"
    )


def _walk(tree: Branch, depth: int = 0) -> Iterable[tuple[int, Branch]]:
    for child in tree.children:
        yield depth, child
        yield from _walk(child, depth + 1)


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


def print_answers(task: str, answers: Sequence[Any], provider: str, kept: str) -> None:
    """The answers to a task; `kept` says what was written to files."""
    tables: Mapping[str, Callable[[Any], Table]] = {"labels": _tabulate_labels, "maps": _tabulate_maps}
    out = console()
    out.print(tables.get(task, _tabulate_joints)(answers))
    out.print(f"ran on {provider}" + (f"; {kept}" if kept else ""), style="dim")


def _tabulate_labels(predictions: Sequence[Prediction]) -> Table:
    table = _table("input", "label", "probability", "next")
    for item in predictions:
        others = ", ".join(f"{label} {probability:.1%}" for label, probability in item.top[1:])
        table.add_row(item.path, Text(item.label, style="bold"), f"{item.probability:.1%}", others)
    return table


def _tabulate_maps(maps: Sequence[ClassMap]) -> Table:
    table = _table("input", "positions", "class", "share")
    for item in maps:
        first = (item.path, shape_text(item.array.shape))
        for name, share in item.shares:
            table.add_row(*first, name, f"{share:.2%}")
            first = ("", "")
    return table


def _tabulate_joints(poses: Sequence[Pose]) -> Table:
    table = _table("input", "joint", "x", "y", "score")
    for pose in poses:
        path = pose.path
        for joint in pose.joints:
            table.add_row(path, joint.name, *(f"{value:.2f}" for value in (joint.x, joint.y)), f"{joint.score:.3f}")
            path = ""
    return table


def print_outputs(results: Sequence[RawOutputs], provider: str, kept: Path | None) -> None:
    table = _table("input", "output", "shape", "mean", "min", "max")
    for result in results:
        for name, array in result.arrays.items():
            figures = (f"{value:.4g}" for value in (array.mean(), array.min(), array.max()))
            table.add_row(result.path, name, shape_text(array.shape), *figures)
    out = console()
    out.print(table)
    out.print(
        f"ran on {provider}; " + (f"wrote {kept}" if kept else "--output FILE.npz keeps the numbers"), style="dim"
    )


def print_bench(rows: Sequence[Row], provider: str) -> None:
    table = _table("batch", "p50 ms", "p90 ms", "p99 ms", "mean ms", "images/s", "runs")
    for row in rows:
        times = (f"{value:.3f}" for value in (row.p50_ms, row.p90_ms, row.p99_ms, row.mean_ms))
        table.add_row(str(row.batch), *times, f"{row.images_per_second:,.0f}", f"{row.runs:,}")
    out = console()
    out.print(table)
    out.print(f"ran on {provider}; a run is one call, with its copies to and from the device", style="dim")


def print_evaluation(found: Evaluation, folder: Path) -> None:
    table = _table(f"{found.test_images} held-out images", "torch", "ONNX Runtime")
    for name, score in found.scores_torch.items():
        table.add_row(f"test {name.replace('_', ' ')}", f"{score:.4f}", f"{found.scores_onnx[name]:.4f}")
    equal, all_ = f"{found.equal_predictions:,}", f"{found.predictions:,}"
    table.add_row(
        "equal predictions", "", f"{equal} of {all_} {found.asked if found.task != 'labels' else ''}".rstrip()
    )
    what = "logits" if found.task == "labels" else "outputs"
    table.add_row(f"largest difference of {what}", "", f"{found.largest_difference:.1e}")
    table.add_row(f"  relative to the largest {what[:-1]}", "", f"{found.relative_difference:.1e}")
    for batch, milliseconds in found.ms_per_image.items():
        table.add_row(f"milliseconds per image, batch {batch}", "", f"{milliseconds:.4f}")
    table.add_row("file size", "", f"{found.file_bytes:,} bytes")
    out = console()
    out.print(table)
    out.print(
        f"ran on {found.provider}; pictures: {found.picture} and {len(found.samples)} in {folder}/samples", style="dim"
    )
    if found.monte_carlo:
        _print_monte_carlo(found.monte_carlo, out)


def _print_monte_carlo(found: MonteCarlo, out: Console) -> None:
    table = _table("batch normalization by", "running statistics", f"{found.passes} mini-batches of {found.batch}")
    table.add_row("test accuracy", f"{found.accuracy_plain:.4f}", f"{found.accuracy:.4f}")
    table.add_row("mean log-likelihood", f"{found.log_likelihood_plain:.4f}", f"{found.log_likelihood:.4f}")
    table.add_row("deviation of the answer's probability", "", f"{found.deviation:.4f}")
    table.add_row("entropy of the prediction, nats", "", f"{found.entropy:.4f}")
    out.print()
    out.print(table)
    out.print("in torch; Monte Carlo batch normalization (Teye et al., 2018): the mean of the predictions", style="dim")


def print_doctor(report: Doctor) -> None:
    out = console()
    table = _table("", "version")
    rows = {"python": report.python, "platform": report.platform, **report.versions, **report.runtimes}
    for name, version in rows.items():
        table.add_row(name, version or Text("not installed", style="yellow"))
    for gpu in report.gpus:
        table.add_row("GPU", gpu)
    table.add_row("CPU instructions", ", ".join(report.cpu) or "unknown")
    out.print(table)
    out.print()
    for attempt in report.attempts:
        mark = Text("works", style="green") if attempt.works else Text("does not work", style="yellow")
        out.print(Text.assemble(f"{attempt.provider:9}", mark, f"  {attempt.reason}"))
    for line in report.advice:
        out.print(f"→ {line}")


def _table(first: str, *others: str) -> Table:
    """A table whose first column is for names and whose others are for figures."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(first, style="cyan", overflow="fold")
    for name in others:
        table.add_column(name, justify="right")
    return table
