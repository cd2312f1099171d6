"""Measure inference on the CPU against torch, OpenVINO and other exporters' files on ONNX Runtime, in one run:

    python benchmarks/inference.py [--rounds N] [--quick] [--networks NAME...] [--batches N...] [--candidates NAME...]
                                   [--seconds S] [--tuning S] [--threads N] [--clock wall|cpu]
                                   [--cache DIR] [--output DIR]

Each candidate has a process of its own that sleeps while another is measured (`workers.py`); in each round every
candidate has one turn, in a random order. Who the candidates are is said in `inference_cells.py`, what they run in
`networks.py`, what is made of the figures in `inference_page.py`.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks.inference_cells import CANDIDATES, CONTESTS, Cell
from benchmarks.inference_page import judge, render
from benchmarks.measuring import (
    SEED,
    Tasks,
    digits,
    run_benchmark,
    say,
)
from benchmarks.networks import ARCHSPEC, BATCHES, NETWORKS, build_graph, export, prepare_weights, remember
from benchmarks.workers import CLOCKS, BenchmarkWorker
from runtime.measuring.worker import WorkerError

PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "onnxscript", "onnxslim", "openvino", "torch")
CHILDREN = Tasks("benchmarks.inference")


@dataclass(frozen=True, kw_only=True)
class InferencePlan:
    """The way in which every candidate of a run is measured: `seconds` are those of a turn, `tuning` those of `archspec
    tune`."""

    candidates: Sequence[str]
    rounds: int
    seconds: float
    tuning: float
    threads: int
    clock: str
    cache: Path | None


# ---- measuring -------------------------------------------------------------------------------------------------------


def make_weights(name: str, side: str, path: str) -> None:
    prepare_weights(name, Path(path), int(side))


def make_file(name: str, side: str, exporter: str, weights: str, path: str) -> None:
    export(name, exporter, Path(weights), Path(path), int(side))


def tune_file(path: str, batch: str, side: str, seconds: str) -> dict[str, Any]:
    """Settings for this file at this shape, kept beside it as `archspec tune` does."""
    from runtime.measuring.tune import TuneRequest, tune
    from runtime.session.model_file import ModelFile

    (extents,) = ModelFile.open(path).inputs.values()
    sizes = {axis: int(side) for axis in extents[2:] if isinstance(axis, str)}
    request = TuneRequest(path, batch=int(batch), sizes=sizes, provider="cpu", seconds=float(seconds))
    return tune(request).settings.to_dict()


TASKS: dict[str, Callable[..., Any]] = {task.__name__: task for task in (make_weights, make_file, tune_file)}


def measure_network(name: str, side: int, batches: Sequence[int], settings: InferencePlan) -> list[Cell]:
    with tempfile.TemporaryDirectory() as folder:
        sources, missing = _make_sources(name, side, Path(folder), settings)
        workers = {
            item: BenchmarkWorker("benchmarks.runners", CANDIDATES[item].runtime, environment=_keep_apart(folder, item))
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
    """Keep candidates apart: torch.compile keeps what it compiled on disk: a folder for each candidate, gone after the
    run."""
    return {"TORCHINDUCTOR_CACHE_DIR": os.path.join(folder, _as_name(candidate))}


def _make_sources(name: str, side: int, folder: Path, settings: InferencePlan) -> tuple[dict[str, str], dict[str, str]]:
    """Make what each candidate opens, a file or a module's name and weights; and why a candidate has nothing to
    open."""
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
    cell: Cell,
    workers: Mapping[str, BenchmarkWorker],
    sources: Mapping[str, str],
    folder: Path,
    settings: InferencePlan,
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
    """Measure how far each candidate's outputs are from the torch module's, or from the first candidate's without it,
    relative to the largest."""
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
    settings = InferencePlan(rounds=rounds, **how)
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
