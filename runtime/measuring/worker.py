"""A child process that answers what it is asked, and sleeps as a whole (SIGSTOP) while it is not asked.

Several models in one process take each other's cores: threads that wait for work go on spinning, and whoever runs next
is slower for it. Parent and child speak JSON, a line each way.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from archspec.errors import ArchspecError, RuntimeFailure

PR_SET_PDEATHSIG = 1
"""The option of prctl(2) that says which signal this process gets when its parent ends."""


class WorkerError(RuntimeFailure):
    """A child could not do what it was asked, or has ended."""


class Worker:
    """A child that answers what it is asked, one by one: a Python module that calls `serve`.

    It rests for `pause` seconds before it is woken, in which the threads of another fall asleep, and is given up when
    an answer takes longer than `patience` seconds. To be closed.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        pause: float,
        patience: float = threading.TIMEOUT_MAX,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._pause, self._patience = pause, patience
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (`close` closes it)
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=folder,
            env=os.environ | dict(environment or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._asleep = False

    @property
    def pid(self) -> int:
        """The child's process."""
        return self._process.pid

    def ask(self, request: str, *arguments: object) -> Any:
        """The answer to one request. Raises WorkerError with what the child says where it fails, or what it said last
        where it has ended."""
        self._wake()
        line = self._exchange(json.dumps([request, *arguments]))
        if not line:
            raise WorkerError(f"the process that measures ended: {self._last_words()}")
        self._signal("SIGSTOP")
        self._asleep = True
        answer, error = json.loads(line)
        if error is not None:
            raise WorkerError(error)
        return answer

    def close(self) -> None:
        """End the child."""
        if self._errors.closed:
            return
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _exchange(self, request: str) -> str:
        assert self._process.stdin
        assert self._process.stdout
        alarm = threading.Timer(self._patience, self._process.kill)
        alarm.daemon = True
        alarm.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # the child has died, and says why in `_last_words`
                print(request, file=self._process.stdin, flush=True)
            return self._process.stdout.readline()
        finally:
            alarm.cancel()

    def _wake(self) -> None:
        if self._asleep:
            time.sleep(self._pause)
            self._signal("SIGCONT")
            self._asleep = False

    def _signal(self, name: str) -> None:
        if hasattr(signal, name):
            self._process.send_signal(getattr(signal, name))

    def _last_words(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {self._process.returncode}"


def serve(handlers: Mapping[str, Callable[..., Any]]) -> None:
    """The child: answer what comes from the standard input until it ends. What a library prints is no answer, and goes
    to the standard error."""
    _end_with_parent()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request, *arguments = json.loads(line)
        answer: tuple[Any, str | None]
        try:
            answer = handlers[request](*arguments), None
        except ArchspecError as error:
            answer = None, str(error)
        except Exception as error:  # whatever a runtime raises is its answer
            answer = None, f"{type(error).__name__}: {error}"
        print(json.dumps(answer), file=answers, flush=True)


def time_calls(
    call: Callable[[], object],
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
    *,
    warm_up: float,
    settled: float,
) -> list[float]:
    """Measure the seconds of each call, made one after the other for about that long, at least one. Calls of the first
    `warm_up` seconds, one at least, are dropped, unless one takes `settled` seconds or more: what went before does not
    matter then."""
    first = _time_call(call, clock)
    warm, taken = (first, list[float]()) if first < settled else (warm_up, [first])
    while warm < warm_up:
        warm += _time_call(call, clock)
    while not taken or sum(taken) < seconds:
        taken.append(_time_call(call, clock))
    return taken


def _time_call(call: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    call()
    return clock() - start


def _end_with_parent() -> None:
    """A child that is stopped would outlive a parent that was killed. Linux alone can say so."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
