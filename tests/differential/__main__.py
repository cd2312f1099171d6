"""Long runs: `python -m tests.differential specs --count 20000 --seed 0 --jobs 2`.

Each kind is a module with `examine(seed) -> Outcome`; one with `explain(seed) -> str` says more of a single seed.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module

from tests.differential.harness import run_seeds, table, word_table

KINDS = {
    "specs": ("tests.differential.specs", "random specs against an interpreter of the language and plain torch"),
    "fields": ("tests.differential.fields", "receptive fields against the gradients of plain torch"),
    "memory": ("tests.differential.memory", "memory against what torch's autograd keeps and what lives in a run"),
    "exports": ("tests.differential.exports", "random exports against all that they and their reports say"),
    "crashes": ("tests.differential.crashes", "commands that are disturbed against what must remain of files"),
    "int8": ("tests.differential.int8", "int8 exports from hostile data against what their two files give"),
    "models": ("tests.differential.models", "random ONNX models against ONNX Runtime and counts of their own"),
}
"""By its name on the command line, the module of a kind and what it holds against what."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description="Differential tests, long runs.")
    parser.add_argument("kind", choices=KINDS, help="; ".join(f"{name}: {text}" for name, (_, text) in KINDS.items()))
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=1000, help="how many seeds")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes")
    parser.add_argument("--words", action="store_true", help="say how many seeds exercised each word")
    parser.add_argument("--explain", action="store_true", help="say more of the one seed: its smallest failing form")
    chosen = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch comes later; each process has one thread
    module, _ = KINDS[chosen.kind]
    if chosen.explain:
        print(import_module(module).explain(chosen.seed))
        return 0
    summary = run_seeds(module, range(chosen.seed, chosen.seed + chosen.count), chosen.jobs)
    print(table(summary))
    if chosen.words:
        print(word_table(summary.words))
    return 1 if summary.found else 0


if __name__ == "__main__":
    sys.exit(main())
