"""The results of the benchmark of inference: who is ahead in each contest, and the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import geometric_mean
from typing import Any

from benchmarks.inference_cells import CANDIDATES, Cell, Contest
from benchmarks.measuring import (
    digits,
    spread,
    tell_machine,
)

CLOCK_NAMES = {"wall": "clock on the wall", "cpu": "process's CPU time"}


def judge(contest: Contest, cells: Sequence[Cell]) -> dict[str, Any]:
    """A contest's ratios: of each cell, its peer's name and the spread over the rounds; their geometric mean."""
    found: list[dict[str, Any]] = []
    for cell in cells:
        peer = cell.fastest(contest.peers)
        if peer is not None and contest.ours in cell.calls:
            ratio = spread(cell.ratios(contest.ours, peer))
            found.append({"network": cell.network, "batch": cell.batch, "peer": peer, "ratio": ratio})
    medians = [item["ratio"]["median"] for item in found]
    return {
        "ours": contest.ours,
        "against": contest.title,
        "cells": found,
        "geometric_mean": geometric_mean(medians) if medians else None,
        "wanted": {"each": contest.each, "geometric_mean": contest.mean},
    }


def render(report: Mapping[str, Any], cells: Sequence[Cell]) -> str:
    names = [name for name in CANDIDATES if any(name in cell.calls for cell in cells)]
    lines = [
        "# Inference on the CPU, float32",
        "",
        f"Milliseconds per call by the {CLOCK_NAMES[report['clock']]}, from memory to memory, {report['threads']} "
        f"threads: median of {report['rounds']} rounds, each the median of the calls of about {report['seconds']:g} s.",
        "",
        *_table(["network", "batch", *names], [_latencies(cell, names) for cell in cells]),
        "",
        "## Ratios",
        "",
        "Peer's time / archspec's, taken within each round: median (min–max). Above 1 archspec is faster.",
        "",
        *_render_contests(report["contests"]),
        "",
        "## Throughput, tail and start",
        "",
        "Images per second · 99th percentile of all calls in ms · seconds from opening to the first result, with "
        "compilation.",
        "",
        *_table(["network", "batch", *names], [_details(cell, names) for cell in cells]),
        "",
        f"Largest difference from torch's result, relative: {digits_of_difference(cells)}.",
        *_render_failures(cells),
        "",
        tell_machine(report),
    ]
    return "\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _latencies(cell: Cell, names: Sequence[str]) -> list[str]:
    best = cell.fastest(names)
    shown = {name: digits(1e3 * cell.latency(name)) for name in cell.calls}
    if best is not None:
        shown[best] = f"**{shown[best]}**"
    return [cell.network, str(cell.batch), *(shown.get(name, "–") for name in names)]


def _details(cell: Cell, names: Sequence[str]) -> list[str]:
    shown = {}
    for name in cell.calls:
        found = cell.batch / cell.latency(name), 1e3 * cell.tail(name), cell.opened[name]
        shown[name] = " · ".join(map(digits, found))
    return [cell.network, str(cell.batch), *(shown.get(name, "–") for name in names)]


def _render_contests(contests: Sequence[Mapping[str, Any]]) -> list[str]:
    """A row for each cell, a column for each contest; below them the means and what was wanted."""
    held = [contest for contest in contests if contest["cells"]]
    keys = dict.fromkeys((item["network"], item["batch"]) for contest in held for item in contest["cells"])
    rows = [[network, str(batch), *(_judged(contest, network, batch) for contest in held)] for network, batch in keys]
    means = [f"{contest['geometric_mean']:.2f}" for contest in held]
    wanted = [_wanted(contest["wanted"]) for contest in held]
    head = ["network", "batch", *(f"{contest['ours']} against {contest['against']}" for contest in held)]
    return _table(head, [*rows, ["geometric mean", "", *means], ["wanted", "", *wanted]])


def _judged(contest: Mapping[str, Any], network: str, batch: int) -> str:
    for item in contest["cells"]:
        if (item["network"], item["batch"]) == (network, batch):
            ratio, each = item["ratio"], contest["wanted"]["each"]
            shown = f"{ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f}) {item['peer']}"
            return f"**{shown}**" if each is not None and ratio["median"] < each else shown
    return "–"


def _wanted(wanted: Mapping[str, float | None]) -> str:
    return f"each ≥ {wanted['each']:g}" if wanted["each"] is not None else f"mean ≥ {wanted['geometric_mean']:g}"


def digits_of_difference(cells: Sequence[Cell]) -> str:
    """Write `archspec 1.2e-06, …`, the largest of all cells."""
    worst: dict[str, float] = {}
    for cell in cells:
        for name, apart in cell.apart.items():
            worst[name] = max(worst.get(name, 0.0), apart)
    return ", ".join(f"{name} {value:.0e}" for name, value in worst.items())


def _render_failures(cells: Sequence[Cell]) -> list[str]:
    said = dict.fromkeys(f"- {cell.network}, {name}: {why}" for cell in cells for name, why in cell.failed.items())
    return ["", "Could not run:", "", *said] if said else []
