"""The imports of a short command, and what each of them costs; and a session, against onnx and ONNX Runtime.

    python benchmarks/startup.py [--rounds N] [--quick] [--output DIR]

The milliseconds of a module are its own, without those of what it imports, by `python -X importtime`, which takes some
time itself. The whole processes are timed without counting, in turns with their peer.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.measuring import (
    ENVIRONMENT,
    HEADER,
    ROOT,
    Comparison,
    cold,
    count_met,
    digits,
    interleave,
    run_benchmark,
    say,
    tell_machine,
)

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "--help": ("--help",),
    "check": ("check", "resnet50"),
    "analyze": ("analyze", "resnet50", "--json"),
}
SESSIONS: Mapping[str, str] = {
    "session": "import runtime.session.session",
    "bare": "import onnx, onnxruntime",
}
"""The modules that load a session, and what it cannot do without."""
PACKAGES = ("pydantic", "rich", "torch", "typer")
OURS = ("archspec", "compiler", "runtime")
SHOWN = 15
"""Modules in the table, the slowest first."""

Times = dict[str, float]
"""Milliseconds of each imported module by its name."""


def count_imports(*words: str) -> Times:
    """Count what `archspec WORDS` imports, in a process of its own."""
    command = [sys.executable, "-X", "importtime", "-m", "archspec", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=ENVIRONMENT)
    found = re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", done.stderr, re.M)
    return {name: int(microseconds) / 1000 for microseconds, name in found}


def measure(rounds: int, quick: bool) -> tuple[dict[str, Any], list[Comparison]]:
    say("imports")
    for words in COMMANDS.values():
        count_imports(*words)
    imports = {name: [count_imports(*words) for _ in range(rounds)] for name, words in COMMANDS.items()}
    say("whole processes")
    candidates = {name: cold("-m", "archspec", *words) for name, words in COMMANDS.items()}
    samples = interleave({**candidates, "torch": cold("-c", "import torch")}, rounds)
    say("sessions")
    ours, bare = interleave({name: cold("-c", code) for name, code in SESSIONS.items()}, rounds).values()
    rows = [
        Comparison(
            "`import runtime.session.session`", "`import onnx, onnxruntime`", ours, bare, wanted=1.2, share=True
        ),
    ]
    rows += [
        Comparison(
            f"`archspec {' '.join(words)}`", "`import torch`", samples[name], samples["torch"], wanted=0.3, share=True
        )
        for name, words in COMMANDS.items()
    ]
    medians = {name: _take_medians(counted) for name, counted in imports.items()}
    return {"imports": medians, "rows": [row.to_dict() for row in rows]}, rows


def _take_medians(counted: Sequence[Times]) -> Times:
    return {module: median(times.get(module, 0.0) for times in counted) for module in counted[0]}


def render(report: Mapping[str, Any], rows: Sequence[Comparison]) -> str:
    imports: Mapping[str, Times] = report["imports"]
    parts = [
        "# What short commands import",
        f"Median (min–max) of {report['rounds']} rounds. {count_met(row.met for row in rows)}",
        "\n".join([HEADER, *(row.to_markdown() for row in rows)]),
        "Modules, and milliseconds of importing them by package:",
        _tabulate("package", {name: _sum_by_package(times) for name, times in imports.items()}, len(OURS) + 12),
        f"The {SHOWN} modules that take longest, in milliseconds:",
        _tabulate("module", imports, SHOWN),
        tell_machine(report),
    ]
    return "\n\n".join(parts) + "\n"


def _sum_by_package(times: Times) -> Times:
    packages: Counter[str] = Counter()
    for module, milliseconds in times.items():
        root = module.partition(".")[0]
        packages["Python's own" if root in sys.stdlib_module_names else root] += milliseconds  # type: ignore[assignment]
    return dict(packages)


def _tabulate(what: str, columns: Mapping[str, Times], most: int) -> str:
    """A row for each of the entries that take longest in any column."""
    longest = {
        name: max(times.get(name, 0.0) for times in columns.values()) for times in columns.values() for name in times
    }
    names = sorted(longest, key=lambda name: -longest[name])[:most]
    lines = [f"| {what} | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name in names:
        cells = [digits(times[name]) if name in times else "" for times in columns.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    totals = [f"{digits(sum(times.values()))} ms, {len(times):,}" for times in columns.values()]
    return "\n".join([*lines, f"| together, and how many | {' | '.join(totals)} |"])


if __name__ == "__main__":
    run_benchmark("startup", __doc__ or "", {}, measure, render, PACKAGES)
