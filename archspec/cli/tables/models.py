"""What trained and exported models do and say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from archspec.cli.tables.common import console, new_table, shape_text
from archspec.cli.tables.grid import Grid, words
from archspec.errors import escape_controls
from archspec.telemetry import VARIABLE

if TYPE_CHECKING:
    from runtime.bench import Row
    from runtime.doctor import Report as Doctor
    from runtime.evaluate import Evaluation
    from runtime.monte_carlo import MonteCarlo
    from runtime.predict import RawOutputs
    from runtime.session import Session
    from runtime.tasks.answers import ClassMap, Pose, Prediction


def print_answers(task: str, answers: Sequence[Any], provider: str, kept: str) -> None:
    """The answers to a task; `kept` says what was written to files."""
    tables: Mapping[str, Callable[[Any], Grid]] = {"labels": _tabulate_labels, "maps": _tabulate_maps}
    out = console()
    out.print(tables.get(task, _tabulate_joints)(answers))
    out.print(f"ran on {provider}" + (f"; {kept}" if kept else ""), style="dim")


def _tabulate_labels(predictions: Sequence[Prediction]) -> Grid:
    table = new_table("input", words("label"), "probability", words("next"))
    for item in predictions:
        others = ", ".join(f"{label} {probability:.1%}" for label, probability in item.top[1:])
        label = Text(escape_controls(item.label), style="bold")
        table.add_row(item.path, label, f"{item.probability:.1%}", others)
    return table


def _tabulate_maps(maps: Sequence[ClassMap]) -> Grid:
    table = new_table("input", "positions", words("class"), "share")
    for item in maps:
        first = (item.path, shape_text(item.array.shape))
        for name, share in item.shares:
            table.add_row(*first, name, f"{share:.2%}")
            first = ("", "")
    return table


def _tabulate_joints(poses: Sequence[Pose]) -> Grid:
    table = new_table("input", words("joint"), "x", "y", "score")
    for pose in poses:
        path = pose.path
        for joint in pose.joints:
            table.add_row(path, joint.name, *(f"{value:.2f}" for value in (joint.x, joint.y)), f"{joint.score:.3f}")
            path = ""
    return table


def print_outputs(results: Sequence[RawOutputs], provider: str, kept: Path | None) -> None:
    table = new_table("input", words("output"), "shape", "mean", "min", "max")
    for result in results:
        for name, array in result.arrays.items():
            figures = (f"{value:.4g}" for value in (array.mean(), array.min(), array.max()))
            table.add_row(result.path, name, shape_text(array.shape), *figures)
    out = console()
    out.print(table)
    out.print(
        f"ran on {provider}; " + (f"wrote {kept}" if kept else "--output FILE.npz keeps the numbers"), style="dim"
    )


def print_bench(rows: Sequence[Row], session: Session) -> None:
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
    out.print(f"settings: {session.settings} ({session.settings_source})", style="dim")


def print_evaluation(found: Evaluation, folder: Path) -> None:
    table = new_table(f"{found.test_images} held-out images", "torch", "ONNX Runtime")
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
    table = new_table("batch normalization by", "running statistics", f"{found.passes} mini-batches of {found.batch}")
    table.add_row("test accuracy", f"{found.accuracy_plain:.4f}", f"{found.accuracy:.4f}")
    table.add_row("mean log-likelihood", f"{found.log_likelihood_plain:.4f}", f"{found.log_likelihood:.4f}")
    table.add_row("deviation of the answer's probability", "", f"{found.deviation:.4f}")
    table.add_row("entropy of the prediction, nats", "", f"{found.entropy:.4f}")
    out.print()
    out.print(table)
    out.print("in torch; Monte Carlo batch normalization (Teye et al., 2018): the mean of the predictions", style="dim")


def print_doctor(report: Doctor) -> None:
    out = console()
    table = new_table("", words("version"))
    rows = {"python": report.python, "platform": report.platform, **report.versions, **report.runtimes}
    for name, version in rows.items():
        table.add_row(name, version or Text("not installed", style="yellow"))
    for gpu in report.gpus:
        table.add_row("GPU", gpu)
    table.add_row("CPU", report.cores)
    table.add_row("CPU instructions", ", ".join(report.cpu) or "unknown")
    other = {"off": "0 turns it on", "on": "1 turns it off"}[report.telemetry]
    table.add_row("telemetry", f"{report.telemetry} (ONNX Runtime's; {VARIABLE}={other})")
    out.print(table)
    out.print()
    for attempt in report.attempts:
        mark = Text("works", style="green") if attempt.works else Text("does not work", style="yellow")
        out.print(Text.assemble(f"{attempt.provider:9}", mark, f"  {attempt.reason}"))
    for line in report.advice:
        out.print(f"→ {line}")
