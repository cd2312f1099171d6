"""Workers: they answer, sleep in between, and say what they died of."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.measuring.worker import Worker, WorkerError, time_calls

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="stopping a process needs POSIX signals")

CHILD = """
import os
import sys
import threading
import time
from runtime.measuring.worker import serve

def spin():
    threading.Thread(target=lambda: [0 for _ in iter(int, 1)], daemon=True).start()
    print("not an answer")
    return "spinning"

def die():
    print("out of memory", file=sys.stderr, flush=True)
    os._exit(3)

serve({"double": lambda number: 2 * number, "spin": spin, "fail": lambda: 1 / 0, "die": die, "sleep": time.sleep})
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    (tmp_path / "child_of_a_test.py").write_text(CHILD, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    started = Worker("child_of_a_test", pause=0.05)
    yield started
    started.close()


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_answers_one_by_one(worker: Worker) -> None:
    assert [worker.ask("double", number) for number in (1, 21)] == [2, 42]


def test_what_went_wrong(worker: Worker) -> None:
    with pytest.raises(WorkerError, match=r"^ZeroDivisionError: division by zero$"):
        worker.ask("fail")
    assert worker.ask("double", 3) == 6


def test_what_it_died_of(worker: Worker) -> None:
    for _ in range(2):
        with pytest.raises(WorkerError, match=r"^the process that measures ended: out of memory$"):
            worker.ask("die")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads a process's CPU time from /proc")
def test_threads_that_spin_are_stopped_with_it(worker: Worker) -> None:
    assert worker.ask("spin") == "spinning"
    time.sleep(0.05)
    before = cpu_ticks(worker.pid)
    time.sleep(0.3)
    assert cpu_ticks(worker.pid) == before
    worker.ask("sleep", 0.5)  # and they go on when it is asked
    assert cpu_ticks(worker.pid) > before


def clock_of(*durations: float) -> Callable[[], float]:
    """A clock that moves by these, call by call."""
    moments = itertools.chain.from_iterable((0, duration) for duration in durations)
    return lambda: next(moments)


def test_first_calls_are_dropped() -> None:
    assert time_calls(lambda: None, 0.1, clock_of(0.04, 0.03, 0.06, 0.07), warm_up=0.05, settled=0.4) == [0.06, 0.07]


def test_a_long_call_is_not_dropped() -> None:
    assert time_calls(lambda: None, 0.5, clock_of(0.6), warm_up=0.05, settled=0.4) == [0.6]
