"""Measure building and analysis against their peers, in one run:

    python benchmarks/compile.py [--rounds N] [--quick] [--output DIR]

How is said in `measuring.py`. Wanted ratios are stated beside what was measured; the exit status does not depend on
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.measuring import (
    HEADER,
    Comparison,
    Sample,
    Tasks,
    cold,
    count_met,
    interleave,
    run_benchmark,
    say,
    tell_machine,
    timed,
    timing,
)

CHAINS = (100, 1_000, 10_000)
PACKAGES = ("networkx", "numpy", "pydantic", "torch", "torchinfo")
CHILDREN = Tasks("benchmarks.compile")

# ---- tasks: each runs in a process of its own ------------------------------------------------------------------------


def analyze_warm(rounds: str) -> dict[str, list[Sample]]:
    """Measure (b) ResNet-50 in one process: archspec from the spec's name to the report; torchinfo on a module."""
    from archspec import analyze, elaborate, load
    from benchmarks import peers

    module, outline = peers.build(), peers.build(device="meta")
    assert analyze(elaborate(load("resnet50"))).cost.parameters == peers.summarize(module)
    candidates: dict[str, Callable[[], object]] = {
        "archspec": lambda: analyze(elaborate(load("resnet50"))),
        "summary": lambda: peers.summarize(module),
        "build": lambda: peers.summarize(peers.build()),
        "meta": lambda: peers.summarize(outline, "meta"),
    }
    return interleave({name: timing(work) for name, work in candidates.items()}, int(rounds))


def analyze_chains(rounds: str, *lengths: str) -> dict[str, list[Sample]]:
    """Measure (c) build, cost and number of paths of residual chains; seconds per block."""
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


TASKS: dict[str, Callable[..., Any]] = {task.__name__: task for task in (analyze_warm, analyze_chains)}


def _measuring(measure: Callable[[int], Sample], blocks: int) -> Callable[[], Sample]:
    return lambda: measure(blocks)


# ---- sections --------------------------------------------------------------------------------------------------------


def measure_cold_start(rounds: int) -> list[Comparison]:
    """Measure (a) and (d): what the command line takes until it has answered."""
    say("cold processes: analyze and --help")
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
        Comparison(what, "ResNet-50 in torch, torchinfo", ours, samples["torchinfo"], wanted=6),
        Comparison("(d) cold process: `archspec --help`", "`import torch`", shown, imported, wanted=0.3, share=True),
    ]


def measure_analysis(rounds: int) -> list[Comparison]:
    say("in one process: analysis of resnet50")
    samples = CHILDREN.run("analyze_warm", 4 * rounds)
    what, ours = "(b) warm: load, elaborate and analyze resnet50", samples["archspec"]
    return [
        Comparison(what, "torchinfo of a module built before", ours, samples["summary"], wanted=6),
        Comparison(what, "build the module, torchinfo", ours, samples["build"], wanted=6),
        Comparison(what, "torchinfo of a module built before, on torch's meta device", ours, samples["meta"]),
    ]


def measure_chains(lengths: Sequence[int], rounds: int) -> list[Comparison]:
    say("residual chains")
    samples = CHILDREN.run("analyze_chains", rounds, *lengths)
    first, *longer = lengths
    return [
        Comparison(
            f"(c) chain of {length:,} blocks: build, cost, number of paths; time per block",
            f"archspec, {first:,} blocks",
            samples[str(length)],
            samples[str(first)],
            wanted=2,
            share=True,
        )
        for length in longer
    ]


# ---- the report ------------------------------------------------------------------------------------------------------


def render(report: Mapping[str, Any], rows: Sequence[Comparison]) -> str:
    met = count_met(row.met for row in rows)
    lines = [
        "# Building and analysis",
        "",
        f"Median (min–max) of {report['rounds']} rounds ({4 * report['rounds']} for (b)). A ratio with × is peer / "
        f"archspec, one without is archspec / peer; it is taken within each round. {met}",
        "",
        HEADER,
        *(row.to_markdown() for row in rows),
        "",
        tell_machine(report),
    ]
    return "\n".join(lines) + "\n"


def measure(rounds: int, quick: bool) -> tuple[dict[str, Any], list[Comparison]]:
    rows = [*measure_cold_start(rounds), *measure_analysis(rounds)]
    rows += measure_chains(CHAINS[: 2 if quick else None], rounds)
    rows.sort(key=lambda row: row.what[:3])
    return {"rows": [row.to_dict() for row in rows]}, rows


if __name__ == "__main__":
    run_benchmark("compile", "Measure archspec's compiler against its peers.", TASKS, measure, render, PACKAGES)
