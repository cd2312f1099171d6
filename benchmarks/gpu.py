"""Measure inference on an NVIDIA GPU: ONNX Runtime's CUDA and TensorRT providers against torch, in one run:

    python benchmarks/gpu.py [--rounds N] [--quick] [--networks NAME...] [--batches N...] [--precisions P...]
                             [--candidates NAME...] [--seconds S] [--tune S] [--device cuda|cpu] [--output DIR]

Each candidate has a process of its own that sleeps while another is measured (`workers.py`), and in each round every
candidate has one turn with its images on the device and one from memory to memory, in a random order. Candidates are
said in CANDIDATES, what they run in `networks.py`, how in `gpu_runners.py`. TF32 is off for all of them.

Without a GPU nothing is measured, and no results are touched; `--device cpu` runs the same code on the CPU, for tests.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks.gpu_cells import CANDIDATES, MODES, PRECISIONS, GpuCandidate, GpuCell
from benchmarks.gpu_page import average_ratios, render
from benchmarks.measuring import (
    SEED,
    Tasks,
    run_benchmark,
    run_cold,
    say,
)
from benchmarks.networks import NETWORKS, export, prepare_weights
from benchmarks.workers import BenchmarkWorker
from runtime.measuring.worker import WorkerError

PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "tensorrt", "torch", "torch-tensorrt", "triton")
CHILDREN = Tasks("benchmarks.gpu")
BATCHES = (1, 8, 32, 128)
CALIBRATION = 64


@dataclass(frozen=True, kw_only=True)
class GpuPlan:
    """The way in which every cell of a run is measured. `seconds` are those of a turn, `tune` those of `archspec
    tune`."""

    rounds: int
    candidates: Sequence[str]
    precisions: Sequence[str]
    seconds: float
    tune: float
    device: str


# ---- what each candidate opens ---------------------------------------------------------------------------------------


def make_weights(name: str, path: str) -> None:
    prepare_weights(name, Path(path), NETWORKS[name])


def make_file(name: str, source: str, precision: str, weights: str, path: str) -> None:
    if source == "dynamo":
        export(name, source, Path(weights), Path(path), NETWORKS[name])
        return
    from safetensors.numpy import load_file

    from benchmarks.networks import build_graph
    from compiler.onnx_target.model import build_model
    from compiler.onnx_target.options import ExportOptions
    from compiler.onnx_target.write import write_model

    options = ExportOptions(precision=precision)  # type: ignore[arg-type]
    write_model(build_model(build_graph(name), load_file(weights), options=options), Path(path))


def make_reference(name: str, weights: str, images: str, path: str) -> None:
    """Compute what torch gives on the CPU in fp32: the truth of every precision and device."""
    from benchmarks.gpu_runners import open_eager

    source = f"{name}:{NETWORKS[name]}:fp32:{weights}"
    np.savez(path, *open_eager(source, np.load(images), "cpu").whole())


def tune_file(path: str, batch: int | str, device: str, side: int | str, seconds: float | str) -> dict[str, Any]:
    from runtime.measuring.tune import TuneRequest, tune
    from runtime.session.model_file import ModelFile

    sizes = dict.fromkeys(ModelFile.open(path).sizes, int(side))
    return tune(TuneRequest(path, batch=int(batch), sizes=sizes, provider=device, seconds=float(seconds))).to_dict()


TASKS: dict[str, Callable[..., Any]] = {
    task.__name__: task for task in (make_weights, make_file, make_reference, tune_file)
}


def quantize(name: str, weights: Path, images: Path, device: str, path: Path) -> None:
    """The int8 file, as a user makes it: symmetric for TensorRT, or for the CPU, calibrated on images of that size."""
    target = "tensorrt" if device == "cuda" else "cpu"
    words = ("--precision", "int8", "--for", target, "--data", str(images), "--no-verify", "-o", str(path))
    run_cold("-m", "archspec", "export", name, "--weights", str(weights), *words)


class Sources:
    """The files of one network, each made when it is first wanted."""

    def __init__(self, name: str, folder: Path, plan: GpuPlan) -> None:
        self._name, self._folder, self._plan = name, folder, plan
        self._made: dict[str, Path] = {}
        self.weights = self._make("weights.safetensors", lambda path: CHILDREN.run("make_weights", name, path))

    def images(self, batch: int) -> Path:
        return self._make(f"images{batch}.npy", lambda path: np.save(path, draw_images(self._name, batch)))

    def reference(self, batch: int) -> Path:
        args = (self._name, self.weights, self.images(batch))
        return self._make(f"reference{batch}.npz", lambda path: CHILDREN.run("make_reference", *args, path))

    def open(self, candidate: GpuCandidate, batch: int, precision: str) -> str:
        """Make what the candidate's runtime is given."""
        if candidate.source == "module":
            return f"{self._name}:{NETWORKS[self._name]}:{precision}:{self.weights}"
        place = Path("tuned" if candidate.runtime == "tuned" else "", f"{candidate.source}-{precision}.onnx")
        path = self._make(str(place), lambda path: self._export(candidate.source, precision, path))
        if candidate.runtime == "tuned":
            say(f"{self._name} × {batch}, {precision}: tune")
            CHILDREN.run("tune_file", path, batch, self._plan.device, NETWORKS[self._name], self._plan.tune)
        return str(path)

    def _export(self, source: str, precision: str, path: Path) -> None:
        if precision == "int8":
            quantize(self._name, self.weights, self.images(CALIBRATION), self._plan.device, path)
        else:
            CHILDREN.run("make_file", self._name, source, precision, self.weights, path)

    def _make(self, name: str, make: Callable[[Path], object]) -> Path:
        if name not in self._made:
            path = self._folder / name
            path.parent.mkdir(exist_ok=True)
            make(path)
            self._made[name] = path
        return self._made[name]


def draw_images(name: str, batch: int) -> Any:
    channels, side = (1 if name == "unet" else 3), NETWORKS[name]
    return np.random.default_rng(SEED).standard_normal((batch, channels, side, side), np.float32)


# ---- measuring -------------------------------------------------------------------------------------------------------


def measure_network(name: str, batches: Sequence[int], plan: GpuPlan) -> list[GpuCell]:
    with tempfile.TemporaryDirectory() as folder:
        say(f"{name}: weights")
        sources = Sources(name, Path(folder), plan)
        cells = [GpuCell(name, batch, precision) for precision in plan.precisions for batch in batches]
        for cell in cells:
            measure_cell(cell, sources, Path(folder), plan)
        return cells


def measure_cell(cell: GpuCell, sources: Sources, folder: Path, plan: GpuPlan) -> None:
    """Fresh processes for each cell, so that none keeps the device's memory for a batch that is over."""
    workers: dict[str, BenchmarkWorker] = {}
    try:
        for name in plan.candidates:
            if cell.precision in CANDIDATES[name].precisions:
                _open(name, cell, workers, sources, folder, plan.device)
        _compare(cell, sources.reference(cell.batch), folder)
        say(f"{' '.join(cell.title)}: {plan.rounds} rounds")
        turns = [(name, mode) for name in cell.opened for mode in MODES]
        cell.calls = {name: {mode: [] for mode in MODES} for name in cell.opened}
        order = Random(SEED)
        for _ in range(plan.rounds):
            for name, mode in order.sample(turns, len(turns)):
                cell.calls[name][mode].append(workers[name].ask("time", mode, plan.seconds))
    finally:
        for worker in workers.values():
            worker.close()


def _open(
    name: str, cell: GpuCell, workers: dict[str, BenchmarkWorker], sources: Sources, folder: Path, device: str
) -> None:
    say(f"{' '.join(cell.title)}: open {name}")
    candidate = CANDIDATES[name]
    try:
        source = sources.open(candidate, cell.batch, cell.precision)
        cache = {"TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor")}
        workers[name] = BenchmarkWorker("benchmarks.gpu_runners", candidate.runtime, environment=cache)
        images, outputs = sources.images(cell.batch), _outputs(folder, name)
        cell.opened[name] = workers[name].ask("open", source, str(images), device, str(outputs))
    except (WorkerError, SystemExit) as error:
        lines = [line.strip("│ ") for line in str(error).splitlines() if re.search(r"\w", line)]
        cell.failed[name] = lines[-1][:300] if lines else type(error).__name__


def _outputs(folder: Path, name: str) -> Path:
    return folder / f"{re.sub(r'[^a-z]+', '_', name.lower())}.npz"


def _compare(cell: GpuCell, reference: Path, folder: Path) -> None:
    """Measure how far each candidate is from torch in fp32 on the CPU: the largest difference, relative to the largest
    number, and the share of positions whose largest channel is the same."""
    truth = _load(reference)
    for name in cell.opened:
        pairs = list(zip(truth, _load(_outputs(folder, name)), strict=True))
        cell.apart[name] = max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs)
        cell.agreeing[name] = min(float(np.mean(a.argmax(axis=1) == b.argmax(axis=1))) for a, b in pairs)


def _load(path: Path) -> list[Any]:
    with np.load(path) as found:
        return [found[name] for name in found.files]


def list_missing(device: str) -> list[str]:
    """List what this machine lacks for the whole table."""
    from runtime.session.machine import find_gpu_problem

    problem = find_gpu_problem() if device == "cuda" else None
    lines = [problem] if problem else []
    for package, what in {
        "torch": "every row of torch",
        "torch_tensorrt": "Torch-TensorRT",
        "tensorrt": "TensorRT",
    }.items():
        if importlib.util.find_spec(package) is None:
            lines.append(f"{package} is not installed: no figures of {what}")
    return lines


def measure(
    rounds: int, quick: bool, *, networks: Sequence[str] | None, batches: Sequence[int] | None, **how: Any
) -> tuple[dict[str, Any], list[GpuCell]]:
    plan = GpuPlan(rounds=rounds, **how)
    missing = list_missing(plan.device)
    for line in missing:
        say(line)
    if plan.device == "cuda" and any("no GPU" in line for line in missing):
        raise SystemExit(0)  # what was measured elsewhere is not replaced by an empty table
    cells: list[GpuCell] = []
    for name in networks or list(NETWORKS)[: 1 if quick else None]:
        cells += measure_network(name, batches or BATCHES[: 1 if quick else None], plan)
    report = {
        "seconds": plan.seconds,
        "device": _describe_device(plan.device),
        "missing": missing,
        "geometric_means": {mode: average_ratios(cells, mode) for mode in MODES},
        "cells": [cell.to_dict() for cell in cells],
    }
    return report, cells


def _describe_device(device: str) -> str:
    from runtime.session.machine import describe_gpu

    return (describe_gpu() if device == "cuda" else None) or "no GPU: a run of this program's own code, on the CPU"


# ---- the report ------------------------------------------------------------------------------------------------------


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, help="networks of the table (all)")
    parser.add_argument("--batches", nargs="+", type=int, help=f"images per call {BATCHES}")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS), help="(all)")
    parser.add_argument("--candidates", nargs="+", choices=CANDIDATES, default=list(CANDIDATES), help="(all)")
    parser.add_argument("--seconds", type=float, default=0.25, help="of each candidate's turn in a round (0.25)")
    parser.add_argument("--tune", type=float, default=30.0, help="seconds for `archspec tune` of each cell (30)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: the same code, for tests")


if __name__ == "__main__":
    run_benchmark("gpu", "Measure inference on a GPU.", TASKS, measure, render, PACKAGES, add_options=add_options)
