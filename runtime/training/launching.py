"""Several processes on this machine for one training, started anew together where one of them ends."""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from archspec.errors import RuntimeFailure
from archspec.extras import extra
from archspec.files import scratch_folder
from archspec.shared_end import VARIABLE, has_ended

with extra("train"):
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

MAX_RESTARTS = 5
"""The largest number of times that the processes are started anew: a first attempt can lose a race for the others'
place of meeting, so fewer than three are too few."""

SHUTDOWN_SECONDS = 600
"""The longest time that processes have to finish a step and save it, when they are asked to end."""


def strip_words(words: Sequence[str], options: Mapping[str, int]) -> list[str]:
    """Take some options out of a command's words, each with as many words behind it as it says; what is written as
    `--option=value` too.

    >>> strip_words(["net", "--processes", "2", "-o=run", "--json"], {"--processes": 1, "-o": 1})
    ['net', '--json']
    """
    kept: list[str] = []
    skipped = 0
    for word in words:
        name, equals, _ = word.partition("=")
        if skipped:
            skipped -= 1
        elif name in options:
            skipped = 0 if equals else options[name]
        else:
            kept.append(word)
    return kept


def launch(words: Sequence[str], processes: int, threads: int | None) -> bool:
    """Run `python -m archspec` with these words in several processes, which find each other as torchrun's do; the cores
    are divided among them unless `threads` are given to each. Tell whether they came to their end: an error of what was
    given ends them all, and one of them has said it.

    Raises RuntimeFailure where one of them ended, by another error or a kill, each time they were started anew too; and
    what a signal to this process raises there, when the processes have ended by it.
    """
    with scratch_folder() as folder, _naming_end(folder / "ended"), _keeping_handlers():
        try:
            _start(words, processes, threads)
        except RuntimeFailure:
            if not has_ended():
                raise
        return not has_ended()


@contextmanager
def _keeping_handlers() -> Iterator[None]:
    """Put back the handlers of signals, in whose places torch leaves its own."""
    before = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _naming_end(path: Path) -> Iterator[None]:
    """Name the file that says that an error has ended all processes."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(path)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def _start(words: Sequence[str], processes: int, threads: int | None) -> None:
    each = threads or max(1, len(os.sched_getaffinity(0)) // processes)
    os.environ["OMP_NUM_THREADS"] = str(each)
    os.environ["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"] = str(SHUTDOWN_SECONDS)
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=MAX_RESTARTS,
        monitor_interval=0.2,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "archspec", *words)
    except SignalException as error:
        if error.sigval == signal.SIGINT:
            raise KeyboardInterrupt from None
        raise SystemExit(128 + error.sigval) from None
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        raise RuntimeFailure(
            f"process {rank} of {processes} ended with exit code {failure.exitcode}, also when all were started anew; "
            "what it said of that stands above"
        ) from None
