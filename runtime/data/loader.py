"""Batches of a training or of an evaluation, read by worker processes, each a pure function of (seed, epoch, step)."""

from __future__ import annotations

import re
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from types import TracebackType
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from archspec.errors import InputError
from archspec.extras import extra
from archspec.signals import ALARM, ENDINGS
from archspec.wording import tell_count
from runtime.data.augment import CentreCut, make_augmentation
from runtime.data.batches import ALONE, EpochOrder, SampleDraw, Shard, StepSampler
from runtime.data.dataset import Dataset
from runtime.data.fetching import Batch, BatchFetcher, ReadFailure
from runtime.data.sized import SizedSamples
from runtime.recipes.recipe import Recipe
from runtime.tasks.registry import find_task

with extra("train"):
    import torch
    from torch.utils.data import DataLoader

PREFETCHED = 2
"""The number of batches that each worker reads ahead."""

GRACE = 60
"""The seconds after which a worker that was told to end does so by itself."""

DEAD_WORKER = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([0-9, ]+)\)")
"""The beginning of what torch says of a worker process that ended by itself."""


Read = TypeVar("Read", covariant=True)
LoaderSteps: TypeAlias = Sequence[list[SampleDraw]] | StepSampler


class Fetcher(Protocol[Read]):
    """A function of a step's samples that gives what is read of them all, or why it cannot."""

    @property
    def samples(self) -> SizedSamples: ...

    def __len__(self) -> int: ...

    def __getitems__(self, draws: Sequence[SampleDraw], /) -> Read | ReadFailure: ...


@dataclass(frozen=True, slots=True)
class Workers:
    """The processes that read: how many, beside this one (0: it reads by itself), how they are started (`fork`,
    `forkserver`, `spawn`; None: as the system does), and whether batches are put where a GPU reads them by itself."""

    count: int = 0
    context: str | None = None
    pin_memory: bool = False


class Loader(Generic[Read]):
    """What is read of the samples of some steps, in turn: the batches. It can be gone through again, from the first.

    As a context it ends its workers, and tells in one message of one that ended by itself, wherever torch found that
    out. Iterating raises InputError where a sample cannot be had, with its file.
    """

    def __init__(self, fetcher: Fetcher[Read], steps: LoaderSteps, workers: Workers) -> None:
        self.fetcher, self.steps, self.workers = fetcher, steps, workers
        self._running: Any = None

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Read]:
        self.close()
        with self.telling_of_workers():
            self._running = batches = self._start()
            for step in range(len(self.steps)):
                batch = next(batches)
                if isinstance(batch, ReadFailure):
                    self.close()
                    raise InputError(batch.message)
                if isinstance(batch, Batch) and isinstance(self.steps, StepSampler):
                    batch = replace(batch, whole=self.steps.order.count(self.steps.steps[step]))
                yield batch
        self.close()

    def peek(self, count: int) -> Read:
        """Read the first `count` samples, of however many steps, as one batch, in this process. Raises InputError as
        iterating does."""
        found = self.fetcher.__getitems__(list(islice(chain.from_iterable(self.steps), count)))
        if isinstance(found, ReadFailure):
            raise InputError(found.message)
        return found

    def __enter__(self) -> Loader[Read]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if isinstance(error, RuntimeError):
            with self.telling_of_workers():
                raise error

    def close(self) -> None:
        """End the workers."""
        running, self._running = self._running, None
        if running is not None and self.workers.count:
            running._shutdown_workers()

    @contextmanager
    def telling_of_workers(self) -> Iterator[None]:
        """Raise InputError where torch finds in the block that a worker ended by itself: it may do so anywhere."""
        try:
            yield
        except RuntimeError as error:
            if not (found := DEAD_WORKER.search(str(error))):
                raise
            self.close()
            raise InputError(
                f"a process that reads images (pid {found[1]}) was ended from outside, as a system does when its "
                f"memory is used up: take fewer than {tell_count(self.workers.count, 'worker')} (data.workers), "
                "smaller batches, or --cache disk"
            ) from error

    def _start(self) -> Iterator[Any]:
        count = self.workers.count
        among: dict[str, Any] = {}
        if count:
            among = {
                "multiprocessing_context": self.workers.context,
                "prefetch_factor": PREFETCHED,
                "worker_init_fn": _begin_worker,
            }
        with warnings.catch_warnings():
            # Python's advice against forking a process that has threads, which torch starts long before
            warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
            # and torch's against more workers than cores: how many there are is said by whoever trains
            warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
            return iter(
                DataLoader(
                    self.fetcher,  # type: ignore[arg-type]  # it has what torch asks of one: __getitems__
                    batch_sampler=self.steps,
                    num_workers=count,
                    collate_fn=_leave,
                    pin_memory=self.workers.pin_memory,
                    generator=torch.Generator(),  # else it draws from the global one, and moves what comes after
                    **among,
                )
            )


def make_loader(
    data: Dataset,
    samples: SizedSamples,
    recipe: Recipe,
    *,
    training: bool,
    start_step: int = 0,
    shard: Shard = ALONE,
    workers: Workers | None = None,
) -> Loader[Batch]:
    """Make the batches of a training from the step `start_step` on to its last, over all its epochs; or else those of
    an evaluation of all samples, in order and not varied.

    What a step holds is a function of the recipe's seed and of the step: neither of how many workers read, nor of where
    it starts. The parts of all processes make up what a single one has. `recipe.batch` is a number by now.

    Raises InputError where the recipe asks for what cannot be done with such data, and MissingExtra where it needs
    torchvision, which is not there.
    """
    if not isinstance(recipe.batch, int):
        raise InputError(f"batch: {recipe.batch} is to be chosen before images are loaded")
    task, workers = find_task(data.task), workers or Workers(recipe.data.workers)
    steps: LoaderSteps
    if training:
        finish: Any = make_augmentation(data, recipe.augment)
        weights = data.census.weigh_samples() if recipe.sampling == "balanced" else None
        order = EpochOrder(len(samples), recipe.batch, recipe.seed, weights)
        order.check(shard)
        steps = StepSampler(order, shard, range(start_step, recipe.steps or (recipe.epochs or 0) * order.steps))
    else:
        finish = CentreCut(data.preprocess, task)
        mine = range(len(samples) * shard.rank // shard.size, len(samples) * (shard.rank + 1) // shard.size)
        cuts = range(mine.start, mine.stop, recipe.batch)
        steps = [[SampleDraw(index, index) for index in mine[cut - mine.start :][: recipe.batch]] for cut in cuts]
    threads = 1 if finish.needs_torchvision else None  # results of convolutions depend on their number
    return Loader(BatchFetcher(samples, finish, task, recipe.data.skip_bad, threads), steps, workers)


def _leave(batch: Any) -> Any:
    return batch


def _begin_worker(number: int) -> None:
    """Leave the signals that end a group of processes to the one that trains: it takes its last step, saves, and ends
    its workers. One that waits in vain ends by itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if ALARM:
        for alarm in ALARM:
            signal.signal(alarm, signal.SIG_DFL)
        for number in ENDINGS:
            signal.signal(number, lambda *heard: signal.alarm(GRACE))
