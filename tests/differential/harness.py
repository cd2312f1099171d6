"""Runs a kind of differential test over a range of seeds, in several processes, and sums up what disagrees."""

from __future__ import annotations

import multiprocessing
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module


@dataclass(frozen=True)
class Disagreement:
    """Two answers to one question; `kind` is the question, the same for all seeds."""

    kind: str
    detail: str


@dataclass
class Outcome:
    """What became of one seed."""

    disagreements: list[Disagreement] = field(default_factory=list)
    words: Counter[str] = field(default_factory=Counter)
    """What was exercised, and how often."""


Examine = Callable[[int], Outcome]


@dataclass
class Summary:
    """What became of a range of seeds."""

    seeds: int = 0
    words: Counter[str] = field(default_factory=Counter)
    found: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """By kind, the seeds that disagree, with what was said."""

    def add(self, seed: int, outcome: Outcome) -> None:
        self.seeds += 1
        self.words.update(outcome.words)
        for one in outcome.disagreements:
            self.found.setdefault(one.kind, []).append((seed, one.detail))


def examine_safely(examine: Examine, seed: int) -> Outcome:
    """An exception that nobody expects is a disagreement too."""
    try:
        return examine(seed)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
        return Outcome([Disagreement(f"crash: {type(error).__name__}", f"{place}: {str(error)[:200]}")])


def run_seeds(module: str, seeds: range, jobs: int = 1, every: int = 500) -> Summary:
    """Examine every seed; says on stderr, after each `every` of them, up to where all are done."""
    summary, start = Summary(), time.monotonic()
    outcomes = _outcomes(module, seeds, jobs)
    while True:
        try:
            seed, outcome = next(outcomes)
        except StopIteration:
            return summary
        except KeyboardInterrupt:
            print(f"stopped; go on with --seed {seeds.start + summary.seeds}", file=sys.stderr)
            return summary
        summary.add(seed, outcome)
        for one in outcome.disagreements:
            print(f"seed {seed}: {one.kind}: {one.detail}", file=sys.stderr, flush=True)
        if summary.seeds % every == 0 or summary.seeds == len(seeds):
            pace = summary.seeds / (time.monotonic() - start)
            text = f"seeds {seeds.start} to {seed} done, {pace:.1f} a second; disagreements: {len(summary.found)} kinds"
            print(text, file=sys.stderr, flush=True)


def _outcomes(module: str, seeds: range, jobs: int) -> Iterator[tuple[int, Outcome]]:
    """In the order of the seeds, so that a run which is cut off can go on behind the last."""
    one = partial(_examine, module)
    if jobs == 1:
        yield from map(one, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(one, seeds, chunksize=20)


def _examine(module: str, seed: int) -> tuple[int, Outcome]:
    return seed, examine_safely(import_module(module).examine, seed)


def table(summary: Summary) -> str:
    """A row for each kind of disagreement: how many seeds, the first of them, and what the first said."""
    if not summary.found:
        return f"{summary.seeds} seeds, no disagreement"
    rows = [f"{summary.seeds} seeds, {len(summary.found)} kinds of disagreement", ""]
    for kind, found in sorted(summary.found.items(), key=lambda item: -len(item[1])):
        seeds = ", ".join(str(seed) for seed, _ in found[:8]) + (", …" if len(found) > 8 else "")
        rows += [f"{len(found):6}  {kind}", f"        seeds {seeds}", f"        {found[0][1]}"]
    return "\n".join(rows)


def word_table(words: Counter[str], columns: int = 4) -> str:
    """How many seeds exercised each word."""
    cells = [f"{word:34}{count:7,}" for word, count in sorted(words.items())]
    height = -(-len(cells) // columns)
    return "\n".join("   ".join(cells[row::height]) for row in range(height))
