"""One process for each candidate, and only one of them awake: `runtime.measuring.worker`, as benchmarks use it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarks.measuring import ROOT
from runtime.measuring import worker
from runtime.measuring.worker import Worker, WorkerError

PAUSE = 0.05
"""Seconds between the turns of two candidates."""

CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
"""The clocks of a call: time on the clock, or that of the process on all cores, which other work on the machine moves
less; with one thread they mean the same."""

time_calls = partial(worker.time_calls, warm_up=0.05, settled=0.4)
"""Time calls as `worker.time_calls` does; a benchmark has few turns, and drops more of each than a search for
settings."""


class BenchmarkWorker(Worker):
    """A child that answers requests one by one: `python -m MODULE --serve ARGUMENT...`, asleep in between."""

    def __init__(self, module: str, *arguments: object, environment: Mapping[str, str] | None = None) -> None:
        self.name = " ".join(map(str, arguments))
        super().__init__(module, "--serve", *map(str, arguments), pause=PAUSE, environment=environment, folder=ROOT)

    def ask(self, request: str, *arguments: object) -> Any:
        """Answer one request. Raises WorkerError, which names the candidate."""
        try:
            return super().ask(request, *arguments)
        except WorkerError as error:
            raise WorkerError(f"{self.name}: {error}") from error
