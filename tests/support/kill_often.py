"""Trainings that are killed at random moments, and taken up: `python -m tests.support.kill_often --count 20`, with
`--processes 2` of one of two that train together. Every second run is killed at an event in its folder, or a step, the
others at a moment of the clock; every third is killed twice. What differs from the uninterrupted training is told."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import archspec
from runtime.training.manifest import Manifest
from runtime.training.run_folder import CHECKPOINTS, MANIFEST
from tests.support.killed_training import NETWORK, RECIPE, compare, prepare, read_result, train_in_child
from tests.support.together import NOBODY, Kill, train_together, write_task

EVENTS, STEPS = 370, 30
"""About as many things as the process does that writes, and the steps of the training."""


def kill_alone(folder: Path, draw: random.Random, *, by_event: bool) -> tuple[str, list[int | None]]:
    """Kill a process that trains alone: how, and its exit code."""
    at, after = draw.randint(1, EVENTS), draw.uniform(0, 0.3)
    code = train_in_child(folder, kill_at=at)[0] if by_event else train_in_child(folder, kill_after=after)[0]
    return f"event {at}" if by_event else f"after {after:.3f} s", [code]


def kill_together(folder: Path, draw: random.Random, *, by_event: bool) -> tuple[str, list[int | None]]:
    """Kill one of two processes that train together: how, and their exit codes."""
    rank, after = draw.randint(0, 1), draw.uniform(0, 0.5)
    at = draw.randint(1, STEPS if rank else EVENTS + STEPS)
    kill = Kill(rank, at) if by_event else Kill(rank, after=after)
    return str(kill), train_together(folder, _how(folder), kill)


def finish(folder: Path, processes: int) -> bool:
    """Take the training up, to its end; tell whether it got there."""
    if processes == 1:
        return train_in_child(folder)[0] == 0
    return train_together(folder, _how(folder), NOBODY) == [0, 0]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, choices=(1, 2), default=1)
    given = parser.parse_args()
    draw, started, kill = random.Random(given.seed), time.monotonic(), kill_together
    if given.processes == 1:
        kill = kill_alone
    with tempfile.TemporaryDirectory() as place:
        whole = _make_folder(Path(place) / "whole", given.processes)
        assert finish(whole, given.processes)
        expected, differing, killed = read_result(whole), 0, 0
        print(f"uninterrupted: {len(expected)} things to compare", flush=True)
        for number in range(given.count):
            folder = _make_folder(Path(place) / str(number), given.processes)
            for _ in range(1 + (number % 3 == 2)):
                how, codes = kill(folder, draw, by_event=number % 2 == 1)
                killed += -signal.SIGKILL in codes
                print(f"run {number}: {how} → exit {codes}, newest checkpoint {_tell_newest(folder)}", flush=True)
            if not finish(folder, given.processes) or (wrong := compare(read_result(folder), expected)):
                differing += 1
                print(f"run {number} differs: {wrong}", flush=True)
        print(f"{killed} kills in {given.count} runs, {differing} differ; {time.monotonic() - started:.0f} s")
    sys.exit(differing > 0)


def _make_folder(place: Path, processes: int) -> Path:
    place.mkdir()
    if processes == 1:
        return prepare(place / "run")
    return write_task(place / "run", NETWORK, RECIPE.to_dict())


def _how(folder: Path) -> str:
    return "auto" if (folder / CHECKPOINTS / MANIFEST).exists() else "never"


def _tell_newest(folder: Path) -> int | None:
    with suppress(archspec.ArchspecError):
        last = Manifest.read(folder / CHECKPOINTS).last
        return None if last is None else last.step
    return None


if __name__ == "__main__":
    main()
