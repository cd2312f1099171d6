"""The page of results of the benchmark on GPUs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import geometric_mean
from typing import Any

from benchmarks.gpu_cells import CANDIDATES, MODES, GpuCell
from benchmarks.measuring import (
    digits,
    tell_machine,
)

ACCURACY = (
    "Largest difference from torch in fp32 on the CPU, relative to the largest number · share of equal predictions · "
    "seconds from opening to the first result, with compilation."
)


def average_ratios(cells: Sequence[GpuCell], mode: str) -> dict[str, float]:
    """The geometric mean of the fastest peer's time / our fastest's, by precision."""
    ratios: dict[str, list[float]] = {}
    for cell in cells:
        if compared := cell.compare(mode):
            ratios.setdefault(cell.precision, []).append(compared["ratio"]["median"])
    return {precision: geometric_mean(found) for precision, found in ratios.items()}


def render(report: Mapping[str, Any], cells: Sequence[GpuCell]) -> str:
    names = [name for name in CANDIDATES if any(name in cell.calls for cell in cells)]
    head = ["network", "batch", "precision"]
    lines = [
        "# Inference on a GPU",
        "",
        f"{report['device']}. Median of {report['rounds']} rounds, each the median of the calls of about "
        f"{report['seconds']:g} s; milliseconds per call. TF32 is off.",
    ]
    for mode, title in MODES.items():
        lines += ["", f"## {title.capitalize()}", ""]
        lines += _table([*head, *names, "fastest peer / our fastest"], (_row(cell, names, mode) for cell in cells))
        means = ", ".join(f"{precision} {mean:.2f}" for precision, mean in report["geometric_means"][mode].items())
        lines += ["", f"Geometric mean of the ratios: {means or 'none'}."]
    lines += ["", "## Numbers and start", "", ACCURACY, ""]
    lines += _table([*head, *names], (_details(cell, names) for cell in cells))
    lines += ["", "## What could not run", "", *_list_failures(report, cells), "", tell_machine(report)]
    return "\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _row(cell: GpuCell, names: Sequence[str], mode: str) -> list[str]:
    shown = {name: digits(1e3 * cell.latency(name, mode)) for name in cell.calls}
    best = cell.fastest(names, mode)
    if best is not None:
        shown[best] = f"**{shown[best]}**"
    return [*cell.title, *(shown.get(name, "–") for name in names), _tell_ratio(cell.compare(mode))]


def _tell_ratio(compared: Mapping[str, Any] | None) -> str:
    if compared is None:
        return "–"
    ratio = compared["ratio"]
    spread_ = f"{ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f})"
    return f"{spread_} {compared['peer']} / {compared['ours']}"


def _details(cell: GpuCell, names: Sequence[str]) -> list[str]:
    shown = {
        name: f"{cell.apart[name]:.0e} · {cell.agreeing[name]:.1%} · {digits(cell.opened[name])}" for name in cell.calls
    }
    return [*cell.title, *(shown.get(name, "–") for name in names)]


def _list_failures(report: Mapping[str, Any], cells: Sequence[GpuCell]) -> list[str]:
    said = dict.fromkeys(
        f"- {cell.network}, {cell.precision}, {name}: {why}" for cell in cells for name, why in cell.failed.items()
    )
    return [*(f"- {line}" for line in report["missing"]), *said] or ["Everything ran."]
