"""One way to run a model, in a process of its own that sleeps while it is not measured.

Several sessions in one process take each other's cores: threads that wait for work go on spinning, and whoever runs
next is slower for it. So a candidate is a child, stopped as a whole between its turns where the system can do that.
It speaks JSON, a line each way: `python -m runtime.measuring.worker` is told what to open, and then how long to run.
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
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import IO, Any

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError, RuntimeFailure
from archspec.files import blaming_scratch
from runtime.session.settings import Settings
from runtime.verification.agreement import compare

PAUSE = 0.05
"""Seconds of rest before a turn, in which the threads of the one before fall asleep."""

PATIENCE = 900.0
"""Seconds until a child that does not answer is given up. TensorRT builds an engine for minutes."""

WARM = 0.03
"""Seconds of runs at the beginning of a turn that are not counted; at least one run."""

LONG = 0.5
"""Seconds of a run from which what went before does not matter."""

PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that this process gets when its parent ends."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to run: the settings, on inputs of this batch and these sizes; `fixed` are the axes known beforehand.
    `reference` is a file of outputs to compare with, written by the first candidate."""

    model: str
    provider: str
    settings: Settings
    batch: int
    sizes: Mapping[str, int]
    fixed: Mapping[str, int]
    reference: str


class Candidate:
    """A child that has opened a model. `difference` is the largest of its outputs' from the reference's, relative to
    the largest number there; `opened` the seconds until its first result. To be closed.

    Raises ArchspecError with the reason where the child cannot run the model.
    """

    def __init__(self, job: Job) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (`close` closes it)
        places = os.pathsep.join(place or os.getcwd() for place in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "runtime.measuring.worker"],
            env=os.environ | {"PYTHONPATH": places},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        try:
            found = self._ask(_to_json(job))
        except BaseException:
            self.close()
            raise
        self.settings = job.settings
        self.difference: float = found["difference"]
        self.opened: float = found["opened"]

    def time(self, seconds: float) -> list[float]:
        """Seconds of each run, one after the other for about that long, the first of them dropped."""
        time.sleep(PAUSE)
        self._signal("SIGCONT")
        times: list[float] = self._ask({"seconds": seconds})["times"]
        return times

    def close(self) -> None:
        if self._errors.closed:
            return
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _ask(self, request: object) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        alarm = threading.Timer(PATIENCE, self._process.kill)
        alarm.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # the child has died, and says why below
                print(json.dumps(request), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        finally:
            alarm.cancel()
        if not line:
            raise RuntimeFailure(f"the process that measures ended: {self._last_words()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeFailure(answer["error"])
        self._signal("SIGSTOP")
        return answer

    def _signal(self, name: str) -> None:
        if hasattr(signal, name):
            self._process.send_signal(getattr(signal, name))

    def _last_words(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {self._process.returncode}"


def time_runs(run: Any, seconds: float) -> list[float]:
    """Seconds of each call for about that long, at least one, after warm-up."""
    times = [_time(run)]
    if times[0] < LONG:
        warm, times = times[0], []
        while warm < WARM:
            warm += _time(run)
    while not times or sum(times) < seconds:
        times.append(_time(run))
    return times


def measure_difference(found: Mapping[str, Array], reference: Mapping[str, Array]) -> float:
    """The largest difference of an output, relative to the reference's largest number; infinite where one is none."""
    differences = [compare(expected, found[name]) for name, expected in reference.items()]
    return max(difference if isfinite(difference) else inf for difference in differences)


def _time(run: Any) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _to_json(job: Job) -> dict[str, Any]:
    fields = {name: getattr(job, name) for name in Job.__dataclass_fields__}
    return fields | {"settings": job.settings.to_dict(), "sizes": dict(job.sizes), "fixed": dict(job.fixed)}


def _answer_all(lines: IO[str], answers: IO[str]) -> None:
    """The child: open what the first line says, then run as long as each of the others says."""
    fields = json.loads(next(lines))
    try:
        session, feed, opened = _open(Job(**fields | {"settings": Settings.from_dict(fields["settings"])}))
        difference = _compare(session.run(feed), Path(fields["reference"]))
        answer: dict[str, Any] = {"opened": opened, "difference": difference}
    except ArchspecError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), file=answers, flush=True)
    for line in lines:
        times = time_runs(lambda: session.run(feed), json.loads(line)["seconds"])
        print(json.dumps({"times": times}), file=answers, flush=True)


def _open(job: Job) -> tuple[Any, Any, float]:
    from runtime.session.inputs import make_inputs
    from runtime.session.session import Session

    start = time.perf_counter()
    session = Session(job.model, providers=(job.provider,), settings=job.settings, fixed=job.fixed)
    free = {name: extent for name, extent in job.sizes.items() if name not in job.fixed}
    feed = make_inputs(session, job.batch, free)
    session.run(feed)
    return session, feed, time.perf_counter() - start


def _compare(found: Mapping[str, Any], path: Path) -> float:
    if not path.exists():
        with blaming_scratch():
            np.savez(path, **found)
        return 0.0
    with np.load(path) as reference:
        return measure_difference(found, reference)


def _end_with_parent() -> None:
    """A child that is stopped would outlive a parent that was killed. Linux alone can say so."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    _end_with_parent()
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    _answer_all(sys.stdin, own)
