"""Measure the whole analysis of a network against torchinfo and fvcore, in one run:

    python benchmarks/analysis.py [--rounds N] [--quick] [--output DIR]

How is said in `measuring.py`. The whole analysis is all that `archspec analyze --all --json` prints: cost in every
convention, paths by length, receptive field, memory, signal, gradient by path length and lint. The peers give counts
and sizes of activations alone. Wanted figures are stated beside what was measured; the exit status does not depend on
them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measuring import (
    HEADER,
    SEED,
    Comparison,
    Sample,
    Tasks,
    cold,
    count_met,
    interleave,
    peak_above,
    quantity,
    run_benchmark,
    say,
    spread,
    tell_machine,
    timed,
    timing,
)

NETWORKS = ("resnet152", "densenet201")
BLOCKS = 1_000
PACKAGES = ("fvcore", "numpy", "onnx", "torch", "torchinfo")
CHILDREN = Tasks("benchmarks.analysis")


# ---- tasks: each runs in a process of its own ------------------------------------------------------------------------


def analyze_warm(name: str, rounds: str) -> dict[str, list[Sample]]:
    """Measure (a) in one process: archspec on a graph, and from the spec's name; torchinfo and fvcore on a module, and
    from building it."""
    from archspec.api import analyze, elaborate, load
    from benchmarks import peers
    from compiler.analysis.cost.cost import measure_cost

    module, spec = peers.build(name), load(name)
    graph = elaborate(spec)
    assert measure_cost(graph).parameters == peers.summarize(module)
    candidates: dict[str, Callable[[], object]] = {
        "counts": lambda: analyze(graph).to_dict(),
        "whole": lambda: _analyze(graph, spec),
        "peers": lambda: _count(module),
        "counts from nothing": lambda: analyze(elaborate(load(name))).to_dict(),
        "whole from nothing": lambda: _analyze_spec(name),
        "peers from nothing": lambda: _count(peers.build(name)),
    }
    return interleave({key: timing(work) for key, work in candidates.items()}, int(rounds))


def _count(module: Any) -> object:
    from benchmarks import peers

    return peers.summarize(module), peers.count_flops(module)


def trace_memory(name: str) -> dict[str, float]:
    """Trace (a) the most that Python's allocators held at once during one analysis, above what was there before."""
    import tracemalloc

    _analyze_spec(name)  # imports are no part of it
    tracemalloc.start()
    _analyze_spec(name)
    return {"peak": float(tracemalloc.get_traced_memory()[1])}


def time_parts(name: str, rounds: str) -> dict[str, list[Sample]]:
    """Time (a) each part of the analysis by itself."""
    from archspec.api import elaborate, load
    from compiler.analysis.report import PARTS, analyze

    spec = load(name)
    graph = elaborate(spec)
    candidates: dict[str, Callable[[], object]] = {
        "load": lambda: load(name),
        "elaborate": lambda: elaborate(spec),
        "cost and paths": lambda: analyze(graph, by_length=True),
    }
    candidates |= {f"cost, paths and {part}": _wanting(graph, spec, part) for part in PARTS}
    return interleave({key: timing(work) for key, work in candidates.items()}, int(rounds))


def _wanting(graph: Any, spec: Any, part: str) -> Callable[[], object]:
    from compiler.analysis.report import analyze

    return lambda: analyze(graph, spec, wanted=[part], by_length=True)


def count_lengths(rounds: str, blocks: str) -> dict[str, list[Sample]]:
    """Count (b) the histogram of path lengths of a residual chain, as `count_paths` gives it: with that at op level and
    the paths through each."""
    from archspec.api import elaborate, load
    from compiler.analysis.paths.counting import count_paths

    graph = elaborate(load("residual_mlp", {"blocks": int(blocks)}))
    paths = count_paths(graph, by_length=True)
    assert sum((paths.block.by_length or {}).values()) == 2 ** int(blocks)
    return interleave({"paths": lambda: timed(lambda: count_paths(graph, by_length=True))}, int(rounds))


def export_foreign(path: str) -> int:
    """Export (c) a deep and narrow residual network through torch's exporter; its number of nodes."""
    import onnx
    import torch

    from benchmarks import peers

    torch.manual_seed(SEED)
    peers.export(peers.build("narrow").eval(), Path(path), torch.zeros(peers.IMAGE), axes=())
    return len(onnx.load(path, load_external_data=False).graph.node)


def analyze_foreign(path: str, rounds: str) -> dict[str, list[Sample]]:
    """Measure (c), from a file of another exporter to the numbers."""
    from compiler.onnx_source.read import read_graph

    return interleave({"archspec": lambda: timed(lambda: _analyze(read_graph(Path(path))))}, int(rounds))


def _analyze(graph: Any, spec: Any = None) -> object:
    from compiler.analysis.report import PARTS, analyze

    return analyze(graph, spec, wanted=PARTS, by_length=True).to_dict()


def _analyze_spec(name: str) -> object:
    from archspec.api import elaborate, load

    spec = load(name)
    return _analyze(elaborate(spec), spec)


TASKS: dict[str, Callable[..., Any]] = {
    task.__name__: task
    for task in (analyze_warm, trace_memory, time_parts, count_lengths, export_foreign, analyze_foreign)
}


# ---- figures without a peer ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alone:
    """A time or a size by itself, and what it should at most be."""

    what: str
    samples: Sequence[Sample]
    key: str = "wall"
    wanted: float | None = None

    @property
    def values(self) -> list[float]:
        return [sample[self.key] for sample in self.samples]

    @property
    def unit(self) -> str:
        return "MB" if self.key == "peak" else "s"

    @property
    def met(self) -> bool | None:
        return None if self.wanted is None else median(self.values) <= self.wanted

    def to_dict(self) -> dict[str, Any]:
        unit = "bytes" if self.key == "peak" else "seconds"
        return {"what": self.what, "unit": unit, **spread(self.values), "wanted": self.wanted, "met": self.met}

    def to_markdown(self) -> str:
        wanted = "" if self.wanted is None else f"≤ {1000 * self.wanted:g} ms"
        met = {None: "", True: "yes", False: "**no**"}[self.met]
        return f"| {self.what} | {quantity(self.values, self.unit)} | {wanted} | {met} |"


ALONE_HEADER = """\
| measured | archspec | wanted | met |
|---|---|---|---|"""


# ---- sections --------------------------------------------------------------------------------------------------------


def measure_network(name: str, rounds: int) -> tuple[list[Comparison], list[Alone]]:
    """Measure (a) for one network."""
    say(f"{name}: in one process")
    warm = CHILDREN.run("analyze_warm", name, rounds)
    parts = CHILDREN.run("time_parts", name, rounds)
    say(f"{name}: cold processes")
    candidates = {
        "archspec": cold("-m", "archspec", "analyze", name, "--all", "--json"),
        "counts": cold("-m", "archspec", "analyze", name, "--json"),
        "peers": cold("-m", "benchmarks.peers", name, "--flops"),
        "archspec before": cold("-m", "archspec", "check", name),
        "peers before": cold("-m", "benchmarks.peers", name, "--build"),
    }
    samples = interleave(candidates, rounds)
    traced = [CHILDREN.run("trace_memory", name)]
    alone = [Alone(f"(a) {name}, most that Python allocated during one analysis", traced, key="peak")]
    alone += [Alone(f"(a) {name}, warm: {part}", found) for part, found in parts.items()]
    return _compare_network(f"(a) {name}", warm, samples), alone


def _compare_network(
    title: str, warm: Mapping[str, Sequence[Sample]], samples: Mapping[str, Sequence[Sample]]
) -> list[Comparison]:
    both, ours, theirs = "torchinfo and fvcore", samples["archspec"], samples["peers"]
    added, peers = (peak_above(samples[name], samples[f"{name} before"]) for name in ("archspec", "peers"))
    nothing = f"{title}, warm, from nothing: load, elaborate"
    counted, built = f"{both} of a module built before", f"build the module, {both}"
    process = "cold process: `archspec analyze --all --json`"
    return [
        Comparison(f"{title}, warm, of a graph: cost and paths", counted, warm["counts"], warm["peers"]),
        Comparison(f"{title}, warm, of a graph: whole analysis", counted, warm["whole"], warm["peers"], wanted=10),
        Comparison(f"{nothing}, cost and paths", built, warm["counts from nothing"], warm["peers from nothing"]),
        Comparison(
            f"{nothing}, whole analysis", built, warm["whole from nothing"], warm["peers from nothing"], wanted=10
        ),
        Comparison(
            f"{title}, cold process: `archspec analyze --json`", f"module in torch, {both}", samples["counts"], theirs
        ),
        Comparison(f"{title}, {process}", f"module in torch, {both}", ours, theirs, wanted=10),
        Comparison(
            f"{title}, peak memory of that process", f"module in torch, {both}", ours, theirs, "peak", 0.1, True
        ),
        Comparison(f"{title}, peak memory above `check`", "above building the module", added, peers, "peak", 0.1, True),
    ]


def measure_chain(rounds: int) -> list[Alone]:
    say(f"{BLOCKS:,} blocks")
    samples = CHILDREN.run("count_lengths", 4 * rounds, BLOCKS)["paths"]
    return [Alone(f"(b) path lengths of {BLOCKS:,} residual blocks: all of `count_paths`", samples, wanted=0.02)]


def measure_foreign(rounds: int, folder: Path) -> list[Alone]:
    path = folder / "foreign.onnx"
    say("a foreign ONNX file")
    nodes = CHILDREN.run("export_foreign", path)
    warm = CHILDREN.run("analyze_foreign", path, rounds)["archspec"]
    shell = interleave({"archspec": cold("-m", "archspec", "analyze", str(path), "--all", "--json")}, rounds)[
        "archspec"
    ]
    title = f"(c) ONNX file of {nodes:,} nodes by torch's exporter"
    return [
        Alone(f"{title}, warm: read, whole analysis", warm, wanted=1),
        Alone(f"{title}, cold process: `archspec analyze --all --json`", shell, wanted=1),
    ]


# ---- the report ------------------------------------------------------------------------------------------------------


def render(report: Mapping[str, Any], found: tuple[Sequence[Comparison], Sequence[Alone]]) -> str:
    rows, alone = found
    lines = [
        "# Analysis",
        "",
        f"Median (min–max) of {report['rounds']} rounds. A ratio with × is peer / archspec, one without is archspec / "
        f"peer; it is taken within each round. {count_met([row.met for row in rows] + [row.met for row in alone])}",
        "",
        HEADER,
        *(row.to_markdown() for row in rows),
        "",
        ALONE_HEADER,
        *(row.to_markdown() for row in alone),
        "",
        tell_machine(report),
    ]
    return "\n".join(lines) + "\n"


def measure(rounds: int, quick: bool) -> tuple[dict[str, Any], tuple[list[Comparison], list[Alone]]]:
    rows, alone = [], measure_chain(rounds)
    for name in NETWORKS[: 1 if quick else None]:
        compared, single = measure_network(name, rounds)
        rows += compared
        alone += single
    with tempfile.TemporaryDirectory() as folder:
        alone += measure_foreign(rounds, Path(folder))
    alone.sort(key=lambda row: row.what[:3])
    report = {
        "rows": [row.to_dict() for row in rows],
        "alone": [row.to_dict() for row in alone],
    }
    return report, (rows, alone)


if __name__ == "__main__":
    run_benchmark("analysis", "Measure archspec's analyses against their peers.", TASKS, measure, render, PACKAGES)
