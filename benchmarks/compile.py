"""Measure building, analysis and export against their peers, in one run:

    python benchmarks/compile.py [--rounds N] [--quick] [--output DIR]

Candidates and peers take turns in a random order (with a fixed seed), and a ratio is taken within each round, so that
what else the machine does meets both. A row that says "cold process" starts a fresh interpreter for each measurement;
the files that it reads are in the disk cache. This process itself imports nothing heavy: a child's peak memory starts
from its parent's. Wanted ratios are stated beside what was measured; the exit status does not depend on them.
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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SEED = 0
EXPORTED = ("resnet50", "densenet121")
CHAINS = (100, 1_000, 10_000)
PACKAGES = ("numpy", "onnx", "onnx-ir", "onnxruntime", "onnxruntime-gpu", "onnxscript", "torch", "torchinfo")

Sample = dict[str, float]
"""One measurement: seconds of wall and CPU time of a whole run (`wall`, `wall_cpu`) and, in a child that times one call
by itself, of that call (`call`, `call_cpu`); `peak` is the largest resident set of a process in bytes."""


# ---- measuring -------------------------------------------------------------------------------------------------------


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
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=out, stderr=err)
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


def run_task(name: str, *arguments: object) -> Any:
    """Run one of TASKS in a fresh process and give its result."""
    return _run_task(name, *arguments)[1]


def cold(*command: str) -> Callable[[], Sample]:
    return lambda: run_cold(*command)[0]


def cold_task(name: str, *arguments: object) -> Callable[[], Sample]:
    """The same for one of TASKS, with what it timed by itself as `call`."""

    def measure() -> Sample:
        sample, inner = _run_task(name, *arguments)
        return sample | ({"call": inner["wall"], "call_cpu": inner["wall_cpu"]} if inner else {})

    return measure


def _run_task(name: str, *arguments: object) -> tuple[Sample, Any]:
    sample, printed = run_cold("-m", "benchmarks.compile", "--task", name, *map(str, arguments))
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


# ---- tasks: each runs in a process of its own ------------------------------------------------------------------------


def analyze_warm(rounds: str) -> dict[str, list[Sample]]:
    """(b) ResNet-50 in one process: archspec from the spec's name to the report; torchinfo on a module."""
    from archspec import analyze, elaborate, load
    from benchmarks import peers

    module, outline = peers.build(), peers.build("meta")
    assert analyze(elaborate(load("resnet50"))).cost.parameters == peers.summarize(module)
    candidates: dict[str, Callable[[], object]] = {
        "archspec": lambda: analyze(elaborate(load("resnet50"))),
        "summary": lambda: peers.summarize(module),
        "build": lambda: peers.summarize(peers.build()),
        "meta": lambda: peers.summarize(outline, "meta"),
    }
    return interleave({name: _timing(work) for name, work in candidates.items()}, int(rounds))


def analyze_chains(rounds: str, *lengths: str) -> dict[str, list[Sample]]:
    """(d) Build, cost and number of paths of residual chains; seconds per block."""
    from archspec import analyze, elaborate, load

    def build(blocks: int, turns: int) -> None:
        for _ in range(turns):
            graph = elaborate(load("residual_mlp", {"blocks": blocks}), max_nodes=10 * blocks)
            assert analyze(graph, by_length=False).paths.op.total == 2**blocks

    def measure(blocks: int) -> Sample:
        turns = max(1, 2_000 // blocks)  # a short chain is over too soon to be timed once
        sample = timed(lambda: build(blocks, turns))
        return {key: value / turns / blocks for key, value in sample.items()}

    return interleave({length: _measuring(measure, int(length)) for length in lengths}, int(rounds))


def prepare_weights(spec: str, path: str) -> None:
    """Weights as after a little training: the statistics of BatchNorm are those of some passes, its scales differ."""
    import torch
    from safetensors.torch import save_file

    from archspec import elaborate, load, to_torch

    torch.manual_seed(SEED)
    module = to_torch(elaborate(load(spec)), seed=SEED).train()
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.weight.uniform_(0.5, 1.5)
                part.bias.normal_(0, 0.2)
        for _ in range(3):
            module(torch.randn(4, 3, 224, 224))
    save_file(module.state_dict(), path)


def export_warm(spec: str, weights: str, ours: str, theirs: str, rounds: str) -> dict[str, list[Sample]]:
    """(c) Both exports of one module in one process, including the write."""
    from archspec import to_onnx
    from benchmarks import peers

    graph, module = _load_module(spec, weights)
    state = module.state_dict()
    candidates = {
        "archspec": _timing(lambda: to_onnx(graph, state, ours, verify=False)),
        "torch": _timing(lambda: peers.export(module, Path(theirs))),
    }
    return interleave(candidates, int(rounds))


def export_archspec(spec: str, weights: str, path: str) -> Sample:
    """(c) From a file of weights to an ONNX file, as `archspec export` does; torch is not needed."""
    from archspec import to_onnx

    graph, arrays = _load_arrays(spec, weights)
    return timed(lambda: to_onnx(graph, arrays, path, verify=False))


def export_torch(spec: str, weights: str, path: str) -> Sample:
    """(c) From a file of weights to an ONNX file through a module and torch's exporter."""
    from benchmarks import peers

    _, module = _load_module(spec, weights)
    return timed(lambda: peers.export(module, Path(path)))


def export_module(spec: str, weights: str, path: str) -> Sample:
    """(c) From a torch module to an ONNX file through archspec."""
    from archspec import to_onnx

    graph, module = _load_module(spec, weights)
    return timed(lambda: to_onnx(graph, module.state_dict(), path, verify=False))


def load_archspec(spec: str, weights: str) -> None:
    """Where `export_archspec` starts from."""
    _load_arrays(spec, weights)


def load_torch(spec: str, weights: str) -> None:
    """Where `export_torch` starts from."""
    _load_module(spec, weights)


def compare_files(spec: str, weights: str, ours: str, theirs: str) -> dict[str, float]:
    """How far both files and the module are apart, relative to the largest result, at two batches and sizes."""
    import numpy as np
    import onnxruntime as ort
    import torch

    _, module = _load_module(spec, weights)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    sessions = [ort.InferenceSession(path, options, providers=["CPUExecutionProvider"]) for path in (ours, theirs)]
    apart = {"archspec to torch's exporter": 0.0, "archspec to the module": 0.0}
    for shape in ((2, 3, 224, 224), (3, 3, 160, 192)):
        images = np.random.default_rng(SEED).standard_normal(shape, np.float32)
        mine, other = (session.run(None, {session.get_inputs()[0].name: images})[0] for session in sessions)
        with torch.no_grad():
            truth = module(torch.from_numpy(images)).numpy()
        for name, reference in zip(apart, (other, truth), strict=True):
            apart[name] = max(apart[name], float(np.abs(mine - reference).max() / np.abs(reference).max()))
    return apart


TASKS: dict[str, Callable[..., Any]] = {
    task.__name__: task
    for task in (
        analyze_warm,
        analyze_chains,
        prepare_weights,
        export_warm,
        export_archspec,
        export_torch,
        export_module,
        load_archspec,
        load_torch,
        compare_files,
    )
}


def _load_arrays(spec: str, weights: str) -> tuple[Any, Mapping[str, Any]]:
    from safetensors.numpy import load_file

    from archspec import elaborate, load

    return elaborate(load(spec)), load_file(weights)


def _load_module(spec: str, weights: str) -> tuple[Any, Any]:
    from safetensors.torch import load_file

    from archspec import elaborate, load, to_torch

    graph = elaborate(load(spec))
    module = to_torch(graph)
    module.load_state_dict(load_file(weights), assign=True)  # without a second copy, in the peer's favour
    return graph, module.eval()


def _timing(work: Callable[[], object]) -> Callable[[], Sample]:
    return lambda: timed(work)


def _measuring(measure: Callable[[int], Sample], blocks: int) -> Callable[[], Sample]:
    return lambda: measure(blocks)


# ---- rows ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
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
            "archspec": _spread(self.values(self.ours)),
            "other": _spread(self.values(self.theirs)),
            "ratio": {"of": "archspec / peer" if self.share else "peer / archspec", **_spread(self.ratios(self.key))},
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
            _quantity(self.values(self.ours), unit),
            _quantity(self.values(self.theirs), unit),
            _quantity(self.ratios(self.key), "" if self.share else "×"),
            "" if self.cpu_ratio is None else f"{_digits(self.cpu_ratio)}{'' if self.share else ' ×'}",
            wanted,
            {None: "", True: "yes", False: "**no**"}[self.met],
        ]
        return f"| {' | '.join(cells)} |"


HEADER = """\
| measured | peer | archspec | peer's | ratio | by CPU time | wanted | met |
|---|---|---|---|---|---|---|---|"""


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {"median": median(values), "min": min(values), "max": max(values), "rounds": list(values)}


def _quantity(values: Sequence[float], unit: str) -> str:
    """Median and spread in a readable unit: 1.23 (1.20–1.31) ms."""
    middle = median(values)
    factor = 1.0
    if unit == "s" and middle < 1:
        factor, unit = (1e3, "ms") if middle >= 1e-3 else (1e6, "µs")
    elif unit == "MB":
        factor = 1e-6
    shown, low, high = (_digits(factor * value) for value in (middle, min(values), max(values)))
    return f"{shown} ({low}–{high}) {unit}".rstrip()


def _digits(value: float) -> str:
    """Three digits, and never an exponent."""
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3}f}"


# ---- sections --------------------------------------------------------------------------------------------------------


def measure_cold_start(rounds: int) -> list[Row]:
    """(a) and (e): what the command line takes until it has answered."""
    _say("cold processes: analyze and --help")
    samples = interleave(
        {
            "analyze": cold("-m", "archspec", "analyze", "resnet50", "--json"),
            "torchinfo": cold("-m", "benchmarks.peers"),
            "help": cold("-m", "archspec", "--help"),
            "import": cold("-c", "import torch"),
        },
        rounds,
    )
    what, ours = "(a) cold process: `archspec analyze resnet50 --json`", samples["analyze"]
    shown, imported = samples["help"], samples["import"]
    return [
        Row(what, "ResNet-50 in torch, torchinfo", ours, samples["torchinfo"], wanted=3),
        Row("(e) cold process: `archspec --help`", "`import torch`", shown, imported, wanted=0.3, share=True),
    ]


def measure_analysis(rounds: int) -> list[Row]:
    _say("in one process: analysis of resnet50")
    samples = run_task("analyze_warm", 4 * rounds)
    what, ours = "(b) warm: load, elaborate and analyze resnet50", samples["archspec"]
    return [
        Row(what, "torchinfo of a module built before", ours, samples["summary"], wanted=5),
        Row(what, "build the module, torchinfo", ours, samples["build"], wanted=5),
        Row(what, "torchinfo of a module built before, on torch's meta device", ours, samples["meta"]),
    ]


def measure_export(spec: str, rounds: int, folder: Path) -> tuple[list[Row], dict[str, float]]:
    """(c) for one network: the rows, and how far the two files are apart."""
    weights, ours, theirs = (folder / name for name in ("weights.safetensors", "archspec.onnx", "torch.onnx"))
    _say(f"{spec}: weights")
    run_task("prepare_weights", spec, weights)
    _say(f"{spec}: exports in one process")
    warm = run_task("export_warm", spec, weights, ours, theirs, rounds)
    _say(f"{spec}: exports in cold processes")
    candidates = {
        "archspec": cold_task("export_archspec", spec, weights, ours),
        "torch": cold_task("export_torch", spec, weights, theirs),
        "module": cold_task("export_module", spec, weights, folder / "module.onnx"),
        "archspec before": cold_task("load_archspec", spec, weights),
        "torch before": cold_task("load_torch", spec, weights),
    }
    samples = interleave(candidates, rounds, warm_up=False)  # the exports before have filled the disk cache
    apart = run_task("compare_files", spec, weights, ours, theirs)
    return _export_rows(spec, warm, samples), apart


def _export_rows(spec: str, warm: Mapping[str, Sequence[Sample]], samples: Mapping[str, Sequence[Sample]]) -> list[Row]:
    peer, title = "`torch.onnx.export(dynamo=True)`", f"(c) {spec}"
    ours, theirs = samples["archspec"], samples["torch"]
    added, peers = (_peak_above(samples[name], samples[f"{name} before"]) for name in ("archspec", "torch"))
    trained = samples["module"]
    return [
        Row(f"{title}, warm: `to_onnx`", peer, warm["archspec"], warm["torch"], wanted=10),
        Row(f"{title}, first call of a process: `to_onnx`", peer, ours, theirs, key="call", wanted=10),
        Row(f"{title}, cold process: weights file to ONNX file", f"module, {peer}", ours, theirs, wanted=10),
        Row(f"{title}, peak memory: weights file to ONNX file", f"module, {peer}", ours, theirs, "peak", 0.5, True),
        Row(f"{title}, peak memory: torch module to ONNX file", f"module, {peer}", trained, theirs, "peak", share=True),
        Row(
            f"{title}, peak memory above that of loading alone", f"module, {peer}", added, peers, key="peak", share=True
        ),
    ]


def _peak_above(samples: Sequence[Sample], before: Sequence[Sample]) -> list[Sample]:
    return [{"peak": sample["peak"] - start["peak"]} for sample, start in zip(samples, before, strict=True)]


def measure_chains(lengths: Sequence[int], rounds: int) -> list[Row]:
    _say("residual chains")
    samples = run_task("analyze_chains", rounds, *lengths)
    first, *longer = lengths
    return [
        Row(
            f"(d) chain of {length:,} blocks: build, cost, number of paths; time per block",
            f"archspec, {first:,} blocks",
            samples[str(length)],
            samples[str(first)],
            wanted=2,
            share=True,
        )
        for length in longer
    ]


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


# ---- the report ------------------------------------------------------------------------------------------------------


def describe_machine() -> dict[str, Any]:
    """The machine and the software in general terms."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "os": _os_name(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else 'unknown'} ({platform.machine()})"


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


def render(report: Mapping[str, Any], rows: Sequence[Row]) -> str:
    machine = report["machine"]
    packages = ", ".join(f"{name} {found}" for name, found in machine["packages"].items())
    load = " → ".join(f"{value:.1f}" for value in report["load_average"].values())
    apart = [
        f"{spec}: " + ", ".join(f"{name} {value:.1e}" for name, value in found.items())
        for spec, found in report["relative_difference"].items()
    ]
    judged = [row.met for row in rows if row.met is not None]
    lines = [
        "# Building, analysis and export",
        "",
        f"Median (min–max) of {report['rounds']} rounds ({4 * report['rounds']} for (b)). A ratio with × is peer / "
        "archspec, one without is archspec / peer; it is taken within each round. "
        f"{sum(judged)} of {len(judged)} wanted ratios were met.",
        "",
        HEADER,
        *(row.to_markdown() for row in rows),
        "",
        f"Largest difference of results in ONNX Runtime, relative: {'; '.join(apart)}.",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['os']}, Python {machine['python']}; {packages}. "
        f"Load average before and after: {load}.",
    ]
    return "\n".join(lines) + "\n"


def measure(rounds: int, *, quick: bool) -> tuple[dict[str, Any], list[Row]]:
    started = os.getloadavg()[0]
    rows = [*measure_cold_start(rounds), *measure_analysis(rounds)]
    apart = {}
    for spec in EXPORTED[: 1 if quick else None]:
        with tempfile.TemporaryDirectory() as folder:
            found, apart[spec] = measure_export(spec, rounds, Path(folder))
        rows += found
    rows += measure_chains(CHAINS[: 2 if quick else None], rounds)
    rows.sort(key=lambda row: row.what[:3])
    report = {
        "rounds": rounds,
        "machine": describe_machine(),
        "load_average": {"before": started, "after": os.getloadavg()[0]},
        "relative_difference": apart,
        "rows": [row.to_dict() for row in rows],
    }
    return report, rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure archspec's compiler against its peers.")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each candidate (5)")
    parser.add_argument("--quick", action="store_true", help="two rounds without the longest candidates, not kept")
    parser.add_argument("--output", type=Path, help="folder for compile.md and compile.json (benchmarks/results)")
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print(json.dumps(TASKS[options.task[0]](*options.task[1:])))
        return
    rounds = max(1, min(options.rounds, 2) if options.quick else options.rounds)
    report, rows = measure(rounds, quick=options.quick)
    text = render(report, rows)
    print(text)
    folder = options.output or (None if options.quick else RESULTS)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "compile.md").write_text(text, encoding="utf-8")
        (folder / "compile.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
