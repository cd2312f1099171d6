"""Tables of what trained and exported models do and say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from archspec.cli.tables.console import console, new_table
from archspec.cli.tables.grid import words
from archspec.telemetry import VARIABLE
from archspec.wording import escape_controls

if TYPE_CHECKING:
    from runtime.doctor import Diagnosis
    from runtime.evaluation.evaluate import Evaluation
    from runtime.evaluation.monte_carlo import MonteCarlo
    from runtime.measuring.bench import BatchTiming
    from runtime.session.session import Session

MAX_CLASS_ROWS = 32
"""The largest number of classes that a table lists."""


def print_bench(rows: Sequence[BatchTiming], session: Session) -> None:
    table = new_table("batch", "p50 ms", "p90 ms", "p99 ms", "mean ms", "images/s", "runs")
    for row in rows:
        times = (f"{value:.3f}" for value in (row.p50_ms, row.p90_ms, row.p99_ms, row.mean_ms))
        images = "" if row.images_per_second is None else f"{row.images_per_second:,.0f}"
        table.add_row(str(row.batch or "none"), *times, images, f"{row.runs:,}")
    out = console()
    out.print(table)
    out.print(f"ran on {session.provider}; a run is one call, with its copies to and from the device", style="dim")
    if any(row.batch is None for row in rows):
        said = escape_controls(session.describe_inputs())
        out.print(f"no input has a free first axis, so samples are not counted: {said}", style="dim")
    out.print(f"loaded: {escape_controls(str(session.loaded))}", style="dim")
    out.print(f"settings: {session.settings} ({session.settings_source})", style="dim")
    if any(row.images_per_second is not None for row in rows):
        out.print("images/s is of all runs together, so it follows the mean, which few slow runs move", style="dim")


def print_evaluation(found: Evaluation, folder: Path) -> None:
    from runtime.tasks.registry import find_task

    table = new_table(f"{found.test_images} held-out images", "torch", "ONNX Runtime")
    for name, score in found.scores_torch.items():
        table.add_row(f"test {name.replace('_', ' ')}", f"{score:.4f}", f"{found.scores_onnx[name]:.4f}")
    if found.unmirrored:
        for name in found.scores_torch:
            alone = (f"{scores[name]:.4f}" for scores in found.unmirrored)
            table.add_row(f"  without mirrored copies: {name.replace('_', ' ')}", *alone)
    equal, all_ = f"{found.equal_predictions:,}", f"{found.predictions:,}"
    table.add_row(
        "equal predictions", "", f"{equal} of {all_} {found.asked if found.asked != 'images' else ''}".rstrip()
    )
    what = find_task(found.task).outputs
    table.add_row(f"largest difference of {what}", "", f"{found.largest_difference:.1e}")
    table.add_row(f"  relative to the largest {what[:-1]}", "", f"{found.relative_difference:.1e}")
    for batch, milliseconds in found.ms_per_image.items():
        table.add_row(f"milliseconds per image, batch {batch}", "", f"{milliseconds:.4f}")
    table.add_row("file size", "", f"{found.file_bytes:,} bytes")
    out = console()
    out.print(table)
    if found.mirrors:
        axes = " and ".join(found.mirrors)
        said = f"the recipe's test_time_augmentation: answers are means with mirrored copies ({axes}), as in training"
        out.print(f"{said}; `archspec run` answers without them", style="dim")
    out.print(
        f"ran on {found.provider}; pictures: {found.picture} and {len(found.samples)} in {folder}/samples", style="dim"
    )
    if found.classes:
        _print_classes(found, out)
    if found.monte_carlo:
        _print_monte_carlo(found.monte_carlo, out)


def _print_classes(found: Evaluation, out: Console) -> None:
    from runtime.tasks.registry import find_task

    task = find_task(found.task)
    shown = sorted(found.classes, key=lambda item: -item.asked)[:MAX_CLASS_ROWS]
    table = new_table(task.channel, f"{task.asked} asked", *(name.replace("_", " ") for name in shown[0].scores))
    for item in found.classes if len(found.classes) <= MAX_CLASS_ROWS else shown:
        scores = ("-" if score is None else f"{score:.4f}" for score in item.scores.values())
        table.add_row(Text(escape_controls(item.name)), f"{item.asked:,}", *scores)
    out.print()
    out.print(table)
    if len(found.classes) > len(shown):
        out.print(f"the {len(shown)} that are asked most, of {len(found.classes):,}; --json lists all", style="dim")


def _print_monte_carlo(found: MonteCarlo, out: Console) -> None:
    table = new_table("batch normalization by", "running statistics", f"{found.passes} mini-batches of {found.batch}")
    table.add_row("test accuracy", f"{found.accuracy_plain:.4f}", f"{found.accuracy:.4f}")
    table.add_row("mean log-likelihood", f"{found.log_likelihood_plain:.4f}", f"{found.log_likelihood:.4f}")
    table.add_row("deviation of the answer's probability", "", f"{found.deviation:.4f}")
    table.add_row("entropy of the prediction, nats", "", f"{found.entropy:.4f}")
    out.print()
    out.print(table)
    out.print("in torch; Monte Carlo batch normalization (Teye et al., 2018): the mean of the predictions", style="dim")


def _explain_telemetry(silencer: str | None) -> str:
    if silencer in (None, VARIABLE):
        return f"; {VARIABLE}={'1 turns it off' if silencer is None else '0 turns it on'}"
    return f", which tells nothing where {silencer} is set"


def print_doctor(report: Diagnosis) -> None:
    out = console()
    table = new_table("", words("version"))
    rows = {"python": report.python, "platform": report.platform, **report.versions, **report.runtimes}
    for name, version in rows.items():
        table.add_row(name, version or Text("not installed", style="yellow"))
    for gpu in report.gpus:
        table.add_row("GPU", gpu)
    table.add_row("CPU", report.cores)
    table.add_row("C++ compiler", report.compiler or "none")
    table.add_row("CPU instructions", ", ".join(report.cpu) or "unknown")
    table.add_row("telemetry", f"{report.telemetry} (ONNX Runtime's{_explain_telemetry(report.silencer)})")
    out.print(table)
    out.print()
    for attempt in report.attempts:
        mark = Text("works", style="green") if attempt.works else Text("does not work", style="yellow")
        out.print(Text.assemble(f"{attempt.provider:9}", mark, f"  {attempt.reason}"))
    for line in report.advice:
        out.print(f"→ {line}")
