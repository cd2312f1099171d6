"""Measurements: fresh processes, candidates in turns, medians with their spread, ratios within a round.

Candidates and peers take turns in a random order (with a fixed seed), and a ratio is taken within each round, so that
what else the machine does meets both. A cold process is a fresh interpreter for each measurement; the files that it
reads are in the disk cache. The process that measures imports nothing heavy: a child's peak memory starts from its
parent's.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import archspec  # noqa: F401  (turns ONNX Runtime's telemetry off for the processes below, peers too)
from runtime.session.machine import name_cpu

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SEED = 0

ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
"""The environment of fresh processes: the warm-up leaves the bytecode of our modules, which an installed package has
from the start."""

Sample = dict[str, float]
"""One measurement: seconds of wall and CPU time of a whole run (`wall`, `wall_cpu`) and, in a child that times one call
by itself, of that call (`call`, `call_cpu`); `peak` is the largest resident set of a process in bytes."""


def timed(work: Callable[[], object]) -> Sample:
    """Time one call in this process. Garbage of earlier candidates is collected before, not on this one's time."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall": time.perf_counter() - wall, "wall_cpu": time.process_time() - cpu}


def run_cold(*command: str) -> tuple[Sample, str]:
    """Run a fresh process: its time from start to exit, its peak memory, and what it printed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=out, stderr=err, env=ENVIRONMENT)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        for stream in (out, err):
            stream.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{err.read().decode(errors='replace')[-4000:]}")
        unit = 1 if sys.platform == "darwin" else 1024
        sample = {"wall": wall, "wall_cpu": used.ru_utime + used.ru_stime, "peak": float(used.ru_maxrss * unit)}
        return sample, out.read().decode()


def cold(*command: str) -> Callable[[], Sample]:
    return lambda: run_cold(*command)[0]


@dataclass(frozen=True)
class Tasks:
    """Functions of a module of benchmarks, each run in a fresh process: `python -m MODULE --task NAME ARGUMENT...`."""

    module: str

    def run(self, name: str, *arguments: object) -> Any:
        """Run one and give its result."""
        return self._run(name, *arguments)[1]

    def cold(self, name: str, *arguments: object) -> Callable[[], Sample]:
        """Start as `cold` does, with what the function timed by itself as `call`."""

        def measure() -> Sample:
            sample, inner = self._run(name, *arguments)
            return sample | ({"call": inner["wall"], "call_cpu": inner["wall_cpu"]} if inner else {})

        return measure

    def _run(self, name: str, *arguments: object) -> tuple[Sample, Any]:
        sample, printed = run_cold("-m", self.module, "--task", name, *map(str, arguments))
        return sample, json.loads(printed.splitlines()[-1])


def interleave(
    candidates: Mapping[str, Callable[[], Sample]], rounds: int, *, warm_up: bool = True
) -> dict[str, list[Sample]]:
    """Measure every candidate once a round, in a random order; position i of each list is of the same round."""
    for candidate in candidates.values() if warm_up else ():
        candidate()
    order = Random(SEED)
    samples: dict[str, list[Sample]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name in order.sample(list(candidates), len(candidates)):
            samples[name].append(candidates[name]())
    return samples


def timing(work: Callable[[], object]) -> Callable[[], Sample]:
    return lambda: timed(work)


@dataclass(frozen=True)
class Comparison:
    """One comparison, round by round. The ratio says how many times less archspec takes, or with `share` which part of
    the peer's; `wanted` is its least or largest value."""

    what: str
    peer: str
    ours: Sequence[Sample]
    theirs: Sequence[Sample]
    key: str = "wall"
    wanted: float | None = None
    share: bool = False

    def values(self, samples: Sequence[Sample]) -> list[float]:
        return [sample[self.key] for sample in samples]

    def ratios(self, key: str) -> list[float]:
        pairs = [(ours[key], theirs[key]) for ours, theirs in zip(self.ours, self.theirs, strict=True)]
        return [ours / theirs if self.share else theirs / ours for ours, theirs in pairs]

    @property
    def cpu_ratio(self) -> float | None:
        key = f"{self.key}_cpu"
        return median(self.ratios(key)) if key in self.ours[0] else None

    @property
    def met(self) -> bool | None:
        if self.wanted is None:
            return None
        ratio = median(self.ratios(self.key))
        return ratio <= self.wanted if self.share else ratio >= self.wanted

    def to_dict(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "peer": self.peer,
            "unit": "bytes" if self.key == "peak" else "seconds",
            "archspec": spread(self.values(self.ours)),
            "other": spread(self.values(self.theirs)),
            "ratio": {"of": "archspec / peer" if self.share else "peer / archspec", **spread(self.ratios(self.key))},
            "cpu_ratio": self.cpu_ratio,
            "wanted": None if self.wanted is None else {"at_most" if self.share else "at_least": self.wanted},
            "met": self.met,
        }

    def to_markdown(self) -> str:
        unit = "MB" if self.key == "peak" else "s"
        wanted = "" if self.wanted is None else f"{'≤' if self.share else '≥'} {self.wanted:g}"
        cells = [
            self.what,
            self.peer,
            quantity(self.values(self.ours), unit),
            quantity(self.values(self.theirs), unit),
            quantity(self.ratios(self.key), "" if self.share else "×"),
            "" if self.cpu_ratio is None else f"{digits(self.cpu_ratio)}{'' if self.share else ' ×'}",
            wanted,
            {None: "", True: "yes", False: "**no**"}[self.met],
        ]
        return f"| {' | '.join(cells)} |"


HEADER = """\
| measured | peer | archspec | peer's | ratio | by CPU time | wanted | met |
|---|---|---|---|---|---|---|---|"""


def spread(values: Sequence[float]) -> dict[str, Any]:
    return {"median": median(values), "min": min(values), "max": max(values), "rounds": list(values)}


def quantity(values: Sequence[float], unit: str) -> str:
    """Median and spread in a readable unit: 1.23 (1.20–1.31) ms."""
    middle = median(values)
    factor = 1.0
    if unit == "s" and middle < 1:
        factor, unit = (1e3, "ms") if middle >= 1e-3 else (1e6, "µs")
    elif unit == "MB":
        factor = 1e-6
    shown, low, high = (digits(factor * value) for value in (middle, min(values), max(values)))
    return f"{shown} ({low}–{high}) {unit}".rstrip()


def digits(value: float) -> str:
    """Three digits, and never an exponent."""
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3}f}"


def peak_above(samples: Sequence[Sample], before: Sequence[Sample]) -> list[Sample]:
    return [{"peak": sample["peak"] - start["peak"]} for sample, start in zip(samples, before, strict=True)]


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


# ---- the machine -----------------------------------------------------------------------------------------------------


def describe_machine(packages: Sequence[str]) -> dict[str, Any]:
    """The machine and the software in general terms."""
    return {
        "cpu": f"{name_cpu()} ({platform.machine()})",
        "cores": os.cpu_count(),
        "os": _os_name(),
        "python": platform.python_version(),
        "packages": {name: found for name in packages if (found := _version(name))},
    }


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


# ---- the report ------------------------------------------------------------------------------------------------------


def count_met(judgements: Iterable[bool | None]) -> str:
    judged = [met for met in judgements if met is not None]
    return f"{sum(judged)} of {len(judged)} wanted figures were met."


def tell_machine(report: Mapping[str, Any]) -> str:
    machine = report["machine"]
    packages = ", ".join(f"{name} {found}" for name, found in machine["packages"].items())
    load = " → ".join(f"{value:.1f}" for value in report["load_average"].values())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['os']}, Python {machine['python']}; {packages}. "
        f"Load average before and after: {load}."
    )


def run_benchmark(
    name: str,
    description: str,
    tasks: Mapping[str, Callable[..., Any]],
    measure: Callable[..., tuple[dict[str, Any], Any]],
    render: Callable[[Mapping[str, Any], Any], str],
    packages: Sequence[str],
    *,
    add_options: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
) -> None:
    """The command line of a benchmark: one of its tasks, or `measure` by rounds, `--quick` and its own options, which
    it gets by name; printed and kept, with the rounds and the machine and its `packages`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each candidate (5)")
    parser.add_argument("--quick", action="store_true", help="two rounds without the longest candidates, not kept")
    parser.add_argument("--output", type=Path, help="folder for the table and its JSON (benchmarks/results)")
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    common = {action.dest for action in parser._actions}
    add_options(parser)
    options = parser.parse_args()
    if options.task:
        print(json.dumps(tasks[options.task[0]](*options.task[1:])))
        return
    rounds = max(1, min(options.rounds, 2) if options.quick else options.rounds)
    own = {name: value for name, value in vars(options).items() if name not in common}
    started = os.getloadavg()[0]
    found, rows = measure(rounds, options.quick, **own)
    load = {"before": started, "after": os.getloadavg()[0]}
    report = {"rounds": rounds, "machine": describe_machine(packages), "load_average": load, **found}
    text = render(report, rows)
    print(text)
    folder = options.output or (None if options.quick else RESULTS)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
        (folder / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
