"""Measure inference on the CPU against torch, OpenVINO and other exporters' files on ONNX Runtime, in one run:

    python benchmarks/inference.py [--rounds N] [--quick] [--networks NAME...] [--batches N...] [--candidates NAME...]
                                   [--seconds S] [--tuning S] [--threads N] [--clock wall|cpu]
                                   [--cache DIR] [--output DIR]

Each candidate has a process of its own that sleeps while another is measured (`workers.py`); in each round every
candidate has one turn, in a random order. Who the candidates are is said in CANDIDATES, what they run in `networks.py`.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import geometric_mean, median
from typing import Any

import numpy as np

from benchmarks.measuring import (
    SEED,
    Tasks,
    digits,
    run_benchmark,
    say,
    spread,
    tell_machine,
)
from benchmarks.networks import ARCHSPEC, BATCHES, NETWORKS, build_graph, export, prepare_weights, remember
from benchmarks.workers import CLOCKS, Worker, WorkerError

PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "onnxscript", "onnxslim", "openvino", "torch")
CHILDREN = Tasks("benchmarks.inference")


@dataclass(frozen=True)
class Candidate:
    """A runtime of `runners.py`, and the exporter of the file that it runs, or None for the torch module."""

    runtime: str
    exporter: str | None = None


CANDIDATES: Mapping[str, Candidate] = {
    "archspec": Candidate("onnxruntime", "archspec"),
    "archspec for cpu": Candidate("onnxruntime", "archspec for cpu"),
    "archspec, free sizes": Candidate("onnxruntime free", "archspec"),
    "archspec tuned": Candidate("session", "archspec for cpu"),
    "dynamo": Candidate("onnxruntime", "dynamo"),
    "dynamo, slim": Candidate("onnxruntime", "dynamo, slim"),
    "torchscript": Candidate("onnxruntime", "torchscript"),
    "torchscript, slim": Candidate("onnxruntime", "torchscript, slim"),
    "torch eager": Candidate("eager"),
    "torch.compile": Candidate("compile"),
    "torch.compile, frozen": Candidate("compile frozen"),
    "OpenVINO of archspec": Candidate("openvino", "archspec"),
    "OpenVINO of dynamo": Candidate("openvino", "dynamo"),
}
OTHER_FILES = ("dynamo", "dynamo, slim", "torchscript", "torchscript, slim")
COMPILED = ("torch.compile", "torch.compile, frozen")
OPENVINO = ("OpenVINO of archspec", "OpenVINO of dynamo")


@dataclass(frozen=True)
class Contest:
    """One of ours against the fastest of some peers, in every cell that has both: the least ratio peer / ours wanted of
    each cell, or of the geometric mean."""

    ours: str
    title: str
    peers: Sequence[str]
    each: float | None = None
    mean: float | None = None


CONTESTS = (
    Contest("archspec", "the fastest other file", OTHER_FILES, each=0.98),
    Contest("archspec for cpu", "the fastest other file", OTHER_FILES, each=0.98),
    Contest("archspec tuned", "OpenVINO", OPENVINO, mean=1.0),
    Contest("archspec tuned", "torch.compile", COMPILED, mean=1.3),
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How every candidate of a run is measured: `seconds` are those of a turn, `tuning` those of `archspec tune`."""

    candidates: Sequence[str]
    rounds: int
    seconds: float
    tuning: float
    threads: int
    clock: str
    cache: Path | None


@dataclass
class Cell:
    """What one network took at one batch: per candidate and round the seconds of each call."""

    network: str
    side: int
    batch: int
    opened: dict[str, float] = field(default_factory=dict)
    apart: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    calls: dict[str, list[list[float]]] = field(default_factory=dict)

    def medians(self, name: str) -> list[float]:
        return [median(calls) for calls in self.calls[name]]

    def latency(self, name: str) -> float:
        return median(self.medians(name))

    def fastest(self, names: Iterable[str]) -> str | None:
        """Of these candidates, as far as they ran."""
        return min((name for name in names if name in self.calls), key=self.latency, default=None)

    def ratios(self, ours: str, peer: str) -> list[float]:
        """peer / ours, of each round."""
        return [theirs / own for own, theirs in zip(self.medians(ours), self.medians(peer), strict=True)]

    def to_dict(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "batch": self.batch,
            "side": self.side,
            "failed": self.failed,
            "tuned_settings": self.settings,
            "candidates": {name: self._describe(name) for name in self.calls},
        }

    def _describe(self, name: str) -> dict[str, Any]:
        latency = self.latency(name)
        return {
            "latency": spread(self.medians(name)) | {"p99": self.tail(name)},
            "calls": sum(map(len, self.calls[name])),
            "throughput": self.batch / latency,
            "seconds_to_first_result": self.opened[name],
            "relative_difference": self.apart.get(name),
        }

    def tail(self, name: str) -> float:
        """The 99th percentile of all calls; of fewer than a hundred nearly the slowest."""
        return float(np.percentile([taken for calls in self.calls[name] for taken in calls], 99))


# ---- measuring -------------------------------------------------------------------------------------------------------


def make_weights(name: str, side: str, path: str) -> None:
    prepare_weights(name, Path(path), int(side))


def make_file(name: str, side: str, exporter: str, weights: str, path: str) -> None:
    export(name, exporter, Path(weights), Path(path), int(side))


def tune_file(path: str, batch: str, side: str, seconds: str) -> dict[str, Any]:
    """Settings for this file at this shape, kept beside it as `archspec tune` does."""
    from runtime.measuring.tune import TuneRequest, tune

    sizes = dict.fromkeys(("H", "W"), int(side))
    request = TuneRequest(path, batch=int(batch), sizes=sizes, provider="cpu", seconds=float(seconds))
    return tune(request).settings.to_dict()


TASKS: dict[str, Callable[..., Any]] = {task.__name__: task for task in (make_weights, make_file, tune_file)}


def measure_network(name: str, side: int, batches: Sequence[int], settings: Settings) -> list[Cell]:
    with tempfile.TemporaryDirectory() as folder:
        sources, missing = _make_sources(name, side, Path(folder), settings)
        workers = {
            item: Worker("benchmarks.runners", CANDIDATES[item].runtime, environment=_keep_apart(folder, item))
            for item in sources
        }
        try:
            cells = [Cell(name, side, batch, failed=dict(missing)) for batch in batches]
            for cell in cells:
                _measure_cell(cell, workers, sources, Path(folder), settings)
            return cells
        finally:
            for worker in workers.values():
                worker.close()


def _keep_apart(folder: str, candidate: str) -> dict[str, str]:
    """torch.compile keeps what it compiled on disk: a folder for each candidate, gone after the run."""
    return {"TORCHINDUCTOR_CACHE_DIR": os.path.join(folder, _as_name(candidate))}


def _make_sources(name: str, side: int, folder: Path, settings: Settings) -> tuple[dict[str, str], dict[str, str]]:
    """What each candidate opens, a file or a module's name and weights; and why a candidate has nothing to open."""
    weights = folder / "weights.safetensors"
    remember(weights, settings.cache, lambda path: CHILDREN.run("make_weights", name, side, path), name, side)
    files: dict[str | None, str] = {None: f"{name}:{side}:{weights}"}
    missing: dict[str | None, str] = {}
    wanted = {item: CANDIDATES[item].exporter for item in settings.candidates}
    for exporter in dict.fromkeys(filter(None, wanted.values())):
        say(f"{name}: {exporter}")
        path = folder / f"{_as_name(exporter)}.onnx"
        kept = None if exporter in ARCHSPEC else settings.cache  # a kept file does not know archspec's code
        try:
            remember(path, kept, _make(name, side, exporter, weights), name, exporter, side)
            files[exporter] = str(path)
        except SystemExit as error:
            missing[exporter] = _last_line(error)
    return (
        {item: files[exporter] for item, exporter in wanted.items() if exporter in files},
        {item: missing[exporter] for item, exporter in wanted.items() if exporter in missing},
    )


def _make(name: str, side: int, exporter: str, weights: Path) -> Callable[[Path], Any]:
    return lambda path: CHILDREN.run("make_file", name, side, exporter, weights, path)


def _measure_cell(
    cell: Cell, workers: Mapping[str, Worker], sources: Mapping[str, str], folder: Path, settings: Settings
) -> None:
    images = folder / f"images{cell.batch}.npy"
    np.save(images, _make_images(cell))
    for name, worker in workers.items():
        if CANDIDATES[name].runtime == "session":
            say(f"{cell.network} × {cell.batch}: tune {name}")
            cell.settings = CHILDREN.run("tune_file", sources[name], cell.batch, cell.side, settings.tuning)
        say(f"{cell.network} × {cell.batch}: open {name}")
        try:
            asked = sources[name], str(images), settings.threads, str(_outputs(folder, name))
            cell.opened[name] = worker.ask("open", *asked)
        except WorkerError as error:
            cell.failed[name] = _last_line(error)
    _compare(cell, folder)
    cell.calls = {name: [] for name in cell.opened}
    order = Random(SEED)
    say(f"{cell.network} × {cell.batch}: {settings.rounds} rounds")
    for _ in range(settings.rounds):
        for name in order.sample(list(cell.calls), len(cell.calls)):
            cell.calls[name].append(workers[name].ask("time", settings.seconds, settings.clock))
    say(", ".join(f"{name} {digits(1e3 * cell.latency(name))} ms" for name in cell.calls))


def _make_images(cell: Cell) -> Any:
    graph = build_graph(cell.network, cell.side)
    (name,) = graph.inputs
    return np.random.default_rng(SEED).standard_normal((cell.batch, *graph[name].shape), np.float32)


def _outputs(folder: Path, name: str) -> Path:
    return folder / f"{_as_name(name)}.npz"


def _as_name(words: str) -> str:
    return re.sub(r"\W+", "_", words)


def _compare(cell: Cell, folder: Path) -> None:
    """How far each candidate's outputs are from the torch module's, or from the first candidate's without it, relative
    to the largest."""
    reference = "torch eager" if "torch eager" in cell.opened else next(iter(cell.opened))
    truth = _load(_outputs(folder, reference))
    for name in cell.opened:
        pairs = zip(truth, _load(_outputs(folder, name)), strict=True)
        cell.apart[name] = max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs)


def _load(path: Path) -> list[Any]:
    with np.load(path) as found:
        return [found[name] for name in found.files]


def _last_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__


def measure(
    rounds: int, quick: bool, *, networks: Sequence[str] | None, batches: Sequence[int] | None, **how: Any
) -> tuple[dict[str, Any], list[Cell]]:
    settings = Settings(rounds=rounds, **how)
    cells: list[Cell] = []
    for name in networks or list(NETWORKS)[: 2 if quick else None]:
        cells += measure_network(name, NETWORKS[name], batches or BATCHES[: 1 if quick else None], settings)
    report = {
        "seconds": settings.seconds,
        "tuning": settings.tuning,
        "threads": settings.threads,
        "clock": settings.clock,
        "contests": [judge(contest, cells) for contest in CONTESTS],
        "cells": [cell.to_dict() for cell in cells],
    }
    return report, cells


# ---- the report ------------------------------------------------------------------------------------------------------


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


CLOCK_NAMES = {"wall": "clock on the wall", "cpu": "process's CPU time"}


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
    """`archspec 1.2e-06, …`, the largest of all cells."""
    worst: dict[str, float] = {}
    for cell in cells:
        for name, apart in cell.apart.items():
            worst[name] = max(worst.get(name, 0.0), apart)
    return ", ".join(f"{name} {value:.0e}" for name, value in worst.items())


def _render_failures(cells: Sequence[Cell]) -> list[str]:
    said = dict.fromkeys(f"- {cell.network}, {name}: {why}" for cell in cells for name, why in cell.failed.items())
    return ["", "Could not run:", "", *said] if said else []


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, help="networks of the table (all)")
    parser.add_argument("--batches", nargs="+", type=int, help=f"images per call {BATCHES}")
    parser.add_argument("--candidates", nargs="+", choices=CANDIDATES, default=list(CANDIDATES), help="(all)")
    parser.add_argument("--seconds", type=float, default=0.25, help="of each candidate's turn in a round (0.25)")
    parser.add_argument("--tuning", type=float, default=20, help="seconds of `archspec tune` for each cell (20)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of all but the tuned one (all cores)")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu, with --threads 1, on a busy machine (wall)"
    )
    parser.add_argument("--cache", type=Path, help="folder that keeps peers' files from run to run, for development")


if __name__ == "__main__":
    run_benchmark(
        "inference",
        "Measure inference on the CPU against peers.",
        TASKS,
        measure,
        render,
        PACKAGES,
        add_options=add_options,
    )
