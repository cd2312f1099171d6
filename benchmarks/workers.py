"""One process for each candidate, and only one of them awake.

Threads of a runtime go on spinning for a while after a call, and steal the cores from whoever is measured next. So each
candidate has a process of its own, which is stopped as a whole (SIGSTOP) whenever it is not its turn.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.measuring import ROOT

PAUSE = 0.05
"""Seconds between the turns of two candidates."""

WARM_UP = 0.05
"""Seconds of calls that are dropped at the beginning of a turn."""

SETTLED = 0.4
"""Seconds from which a call is so long that what went before does not matter: then none is dropped."""


class Worker:
    """A child that answers requests one by one: `python -m MODULE --serve ARGUMENT...`, asleep in between."""

    def __init__(self, module: str, *arguments: object, environment: Mapping[str, str] | None = None) -> None:
        self.name = " ".join(map(str, arguments))
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, "--serve", *map(str, arguments)],
            cwd=ROOT,
            env=dict(os.environ) | dict(environment or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._awake = True

    def ask(self, request: str, *arguments: object) -> Any:
        """The answer to one request. Raises WorkerError with what the child said where it failed, or ended."""
        assert self._process.stdin
        assert self._process.stdout
        self._wake()
        line = ""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps([request, *arguments]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            raise WorkerError(f"{self.name} ended: {self._errors.read().decode(errors='replace').strip()[-2000:]}")
        self._sleep()
        answer, error = json.loads(line)
        if error is not None:
            raise WorkerError(f"{self.name}: {error}")
        return answer

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _wake(self) -> None:
        time.sleep(PAUSE)
        if not self._awake:
            self._process.send_signal(signal.SIGCONT)
            self._awake = True

    def _sleep(self) -> None:
        self._process.send_signal(signal.SIGSTOP)
        self._awake = False


class WorkerError(Exception):
    """A child could not do what it was asked."""


def serve(handlers: Mapping[str, Callable[..., Any]]) -> None:
    """Answer requests from the standard input until it ends. What a library prints goes to the standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request, *arguments = json.loads(line)
        answer: tuple[Any, str | None]
        try:
            answer = handlers[request](*arguments), None
        except Exception as error:  # whatever a runtime raises is its answer
            answer = None, f"{type(error).__name__}: {error}"
        print(json.dumps(answer), file=answers, flush=True)


CLOCKS: Mapping[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
"""What a call takes: time on the clock, or that of the process on all cores, which other work on the machine moves
less; with one thread they mean the same."""


def time_calls(call: Callable[[], object], seconds: float, clock: Callable[[], float]) -> list[float]:
    """Seconds of each call, made one after the other for about that long, at least one, after a warm-up."""
    first = _time_call(call, clock)
    if first >= SETTLED:
        taken = [first]
    else:
        warm, taken = first, []
        while warm < WARM_UP:
            warm += _time_call(call, clock)
    while sum(taken) < seconds:
        taken.append(_time_call(call, clock))
    return taken


def _time_call(call: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    call()
    return clock() - start
