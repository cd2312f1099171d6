"""One way to run a model, in a process of its own that sleeps while it is not measured."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np

from archspec.arrays import Array
from archspec.files import blaming_scratch
from runtime.measuring.worker import Worker, serve, time_calls
from runtime.session.settings import Settings
from runtime.verification.differences import compare

PAUSE = 0.05
"""Seconds of rest before a turn, in which the threads of the one before fall asleep."""

MAX_WAIT = 900.0
"""The most seconds in which a child has to answer: TensorRT builds an engine for minutes."""

WARM_UP, SETTLED = 0.03, 0.5
"""Seconds of a turn that are not counted, and of a run from which on none is dropped. A search has so many turns that
it warms up for less, and takes fewer runs for long ones, than a benchmark."""


@dataclass(frozen=True, slots=True)
class Job:
    """A model to run under these settings, on inputs of this batch and these sizes; `fixed` are the axes known
    beforehand. `reference` is a file of outputs to compare with, written by the first candidate."""

    model: str
    provider: str
    settings: Settings
    batch: int
    sizes: Mapping[str, int]
    fixed: Mapping[str, int]
    reference: str

    def to_dict(self) -> dict[str, Any]:
        """The job as a child is told it."""
        fields = {name: getattr(self, name) for name in Job.__dataclass_fields__}
        return fields | {"settings": self.settings.to_dict(), "sizes": dict(self.sizes), "fixed": dict(self.fixed)}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Job:
        """The job that `to_dict` gave."""
        return cls(**fields | {"settings": Settings.from_dict(fields["settings"])})


class Candidate:
    """A child that has opened a model. `difference` is the largest of its outputs' from the reference's, relative to
    the largest number there; `opened` the seconds until its first result. To be closed.

    Raises WorkerError with the reason where the child cannot run the model.
    """

    def __init__(self, job: Job) -> None:
        places = os.pathsep.join(place or os.getcwd() for place in sys.path)
        module, environment = "runtime.measuring.candidate", {"PYTHONPATH": places}
        self._worker = Worker(module, pause=PAUSE, patience=MAX_WAIT, environment=environment)
        self.settings = job.settings
        try:
            self.difference, self.opened = self._worker.ask("open", job.to_dict())
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The child's process."""
        return self._worker.pid

    def time(self, seconds: float) -> list[float]:
        """Measure the seconds of each run, one after the other for about that long, the first of them dropped."""
        times: list[float] = self._worker.ask("time", seconds)
        return times

    def close(self) -> None:
        """End the child."""
        self._worker.close()


def measure_difference(found: Mapping[str, Array], reference: Mapping[str, Array]) -> float:
    """The largest difference of an output, relative to the reference's largest number; infinite where one is none."""
    differences = [compare(expected, found[name]) for name, expected in reference.items()]
    return max(difference if isfinite(difference) else inf for difference in differences)


class _Child:
    """The part that answers in the child: a model that was opened is run as often as it is asked to be."""

    def __init__(self) -> None:
        self._run: Callable[[], object] = lambda: None

    def open(self, fields: dict[str, Any]) -> tuple[float, float]:
        """The difference from the reference, and the seconds until the first result."""
        from runtime.session.inputs import make_inputs
        from runtime.session.session import Session

        start, job = time.perf_counter(), Job.from_dict(fields)
        session = Session(job.model, providers=(job.provider,), settings=job.settings, fixed=job.fixed)
        free = {name: extent for name, extent in job.sizes.items() if name not in job.fixed}
        feed = make_inputs(session, job.batch, free)
        self._run = partial(session.run, feed)
        session.run(feed)
        opened = time.perf_counter() - start
        return _compare(session.run(feed), Path(job.reference)), opened

    def time(self, seconds: float) -> list[float]:
        return time_calls(self._run, seconds, warm_up=WARM_UP, settled=SETTLED)


def _compare(found: Mapping[str, Any], path: Path) -> float:
    if not path.exists():
        with blaming_scratch():
            np.savez(path, **found)
        return 0.0
    with np.load(path) as reference:
        return measure_difference(found, reference)


if __name__ == "__main__":
    child = _Child()
    serve({"open": child.open, "time": child.time})
