"""Measure the analysis of networks with attention against torchinfo's summary, in one run:

    python benchmarks/transformers.py [--rounds N] [--quick] [--output DIR]

How is said in `measuring.py`. The peer's networks are torchvision's. Wanted ratios are stated beside what was measured;
the exit status does not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.measuring import (
    HEADER,
    Comparison,
    Sample,
    Tasks,
    count_met,
    interleave,
    run_benchmark,
    say,
    tell_machine,
    timing,
)

NETWORKS = ("vit_b_16", "swin_t")
WANTED = 5
"""The least number of times that the summary takes longer."""
PACKAGES = ("torch", "torchinfo", "torchvision")
CHILDREN = Tasks("benchmarks.transformers")


def analyze_warm(name: str, rounds: str) -> dict[str, list[Sample]]:
    """Measure one network in one process: archspec on a graph, and from the spec's name; torchinfo on a module."""
    from archspec.api import analyze, elaborate, load
    from benchmarks import peers
    from tests.support.torchvision_models import find_torchvision_model

    module, graph = find_torchvision_model(name)(weights=None).eval(), elaborate(load(name))
    assert analyze(graph).cost.parameters == sum(weight.numel() for weight in module.parameters())
    candidates: dict[str, Callable[[], object]] = {
        "graph": lambda: analyze(graph).to_dict(),
        "nothing": lambda: analyze(elaborate(load(name))).to_dict(),
        "summary": lambda: peers.summarize(module),
    }
    return interleave({key: timing(work) for key, work in candidates.items()}, int(rounds))


TASKS: dict[str, Callable[..., Any]] = {analyze_warm.__name__: analyze_warm}


def measure(rounds: int, quick: bool) -> tuple[dict[str, Any], list[Comparison]]:
    rows = []
    for name in NETWORKS:
        say(name)
        found = CHILDREN.run("analyze_warm", name, rounds)
        for what, key in (("of a graph", "graph"), ("from nothing: load, elaborate, analyze", "nothing")):
            title = f"{name}, warm, {what}"
            rows.append(Comparison(title, "torchinfo of a module", found[key], found["summary"], wanted=WANTED))
    return {"rows": [row.to_dict() for row in rows]}, rows


def render(report: Mapping[str, Any], rows: Sequence[Comparison]) -> str:
    lines = [
        "# Analysis of networks with attention",
        "",
        f"Median (min–max) of {report['rounds']} rounds, × is peer / archspec within each round. The peer counts "
        f"torchvision's module, which is there already. {count_met([row.met for row in rows])}",
        "",
        HEADER,
        *(row.to_markdown() for row in rows),
        "",
        tell_machine(report),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_benchmark("transformers", "Measure the analysis of networks with attention.", TASKS, measure, render, PACKAGES)
