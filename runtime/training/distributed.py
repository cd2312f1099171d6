"""The processes that train one network together: torch's process group behind the loop's `Ranks`."""

from __future__ import annotations

import ctypes
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from archspec.arrays import Float64Array
from archspec.errors import InputError, RuntimeFailure
from archspec.extras import extra
from runtime.training.ranks import Ranks, Sum
from runtime.training.run_folder import CHECKPOINTS, MANIFEST

with extra("train"):
    import torch
    from torch import Tensor, nn
    from torch import distributed as dist
    from torch._C._distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous
    from torch.nn.parallel import DistributedDataParallel

PATIENCE = timedelta(minutes=30)
"""The longest time for which a process waits for the others: one of them may be evaluating or compiling."""

RANK, WORLD_SIZE, RESTARTS = "RANK", "WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT"
"""The variables by which torchrun tells a process which of how many it is, and how often all were started anew."""

LOCAL_RANK, LOCAL_WORLD_SIZE = "LOCAL_RANK", "LOCAL_WORLD_SIZE"
"""The variables by which it tells which of how many of this machine it is."""


@dataclass(frozen=True, slots=True)
class ProcessRanks(Ranks):
    """One of several processes, which meet in torch's default process group. Each method is called by all of them, in
    the same order.

    Raises RuntimeFailure where another process has ended.
    """

    device: torch.device = torch.device("cpu")  # noqa: RUF009  (it does not change)

    @property
    def here(self) -> int:
        """The number of these processes on this machine: all, where nothing says it."""
        return int(os.environ.get(LOCAL_WORLD_SIZE, self.size))

    def add_up(self, counts: Sum) -> Sum:
        """Add up the counts of all processes, in float64: each gets the sum."""
        if isinstance(counts, Tensor):
            total = counts.detach().to(self.device, torch.float64)
            self._reduce(total, dist.ReduceOp.SUM)
            return total.to(counts.device, counts.dtype)
        found: Float64Array = np.asarray(counts, np.float64)
        total = torch.from_numpy(found.copy()).to(self.device)
        self._reduce(total, dist.ReduceOp.SUM)
        return total.cpu().numpy()

    def add_up_slopes(self, values: Tensor) -> Tensor:
        """Add up tensors (C,) of all processes, whose gradients are added up likewise."""
        total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
        return total

    def least(self, count: int) -> int:
        """Find the least count of any process."""
        found = torch.tensor(count, device=self.device)
        self._reduce(found, dist.ReduceOp.MIN)
        return int(found.item())

    def agree(self, wanted: bool) -> bool:
        """Tell whether any process wants something: each gets the same answer."""
        asked = torch.tensor(int(wanted), device=self.device)
        self._reduce(asked, dist.ReduceOp.MAX)
        return bool(asked.item())

    def share_text(self, text: str, source: int = 0) -> str:
        """Give all processes the text of one; it is sent as numbers."""
        written = bytearray(text.encode()) if self.rank == source else bytearray()
        length = torch.tensor(len(written), device=self.device)
        with telling_of_others():
            dist.broadcast(length, source)
        size = int(length.item())
        numbers = torch.empty(size, dtype=torch.uint8, device=self.device)
        if self.rank == source and size:
            numbers.copy_(torch.frombuffer(written, dtype=torch.uint8))
        with telling_of_others():
            dist.broadcast(numbers, source)
        return bytes(numbers.tolist()).decode()

    def share_buffers(self, module: nn.Module, average: Mapping[str, Tensor] | None = None) -> None:
        """Give all processes the first one's buffers, and what it has in a moving average of these: each has statistics
        of its own images alone."""
        with telling_of_others():
            for name, buffer in module.named_buffers():
                dist.broadcast(buffer, 0)
                if average is not None and name in average:
                    dist.broadcast(average[name], 0)

    def wrap(self, module: nn.Module) -> Callable[..., Any]:
        """Wrap a module so that the gradients of all processes are averaged while they are computed."""
        if not any(weight.requires_grad for weight in module.parameters()):
            return module
        with telling_of_others(), warnings.catch_warnings():
            # torch 2.13's advice has no other word yet for what is meant: buffers stay each process's own until they
            # are shared, before what reads them
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
            return DistributedDataParallel(module, broadcast_buffers=False)

    def collecting(self, forward: Callable[..., Any]) -> AbstractContextManager[None]:
        """Leave the gradients of the block to be averaged with those of the next part of the step."""
        return forward.no_sync() if isinstance(forward, DistributedDataParallel) else nullcontext()

    def wait(self) -> None:
        """Wait until all processes are here."""
        with telling_of_others():
            dist.barrier()

    def _reduce(self, values: Tensor, how: Any) -> None:
        with telling_of_others():
            dist.all_reduce(values, how)


class _Sum(torch.autograd.Function):
    """The sum over all processes: each loss depends on it, so its gradient is the sum of the gradients of all."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.contiguous().clone()
        with telling_of_others():
            dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        return _Sum.forward(ctx, slopes[0])


@contextmanager
def telling_of_others() -> Iterator[None]:
    """Raise RuntimeFailure where torch's process group ends in the block because another process did."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise  # gloo's errors have no class of their own
        raise RuntimeFailure(
            f"another process of this training has ended, so this one ends too ({_shorten(error)})"
        ) from error


def _shorten(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def is_launched() -> bool:
    """Tell whether torchrun, or the like, started this process as one of several."""
    return int(os.environ.get(WORLD_SIZE, "1")) > 1 and RANK in os.environ


def is_main() -> bool:
    """Tell whether this process is the one of those that were started together that writes and speaks."""
    return not is_launched() or os.environ[RANK] == "0"


def choose_after_restart(folder: Path, resume: str, *, force: bool) -> tuple[str, bool]:
    """Choose how to begin where all processes were started anew since one of them ended: from the newest checkpoint, or
    where there is none yet from the beginning, over what this training itself left. `resume` and `force` are what was
    asked for, and hold the first time."""
    if not count_restarts():
        return resume, force
    return ("auto", False) if os.path.lexists(folder / CHECKPOINTS / MANIFEST) else (resume, True)


def count_restarts() -> int:
    """Tell how often the processes were started anew since one of them ended."""
    return int(os.environ.get(RESTARTS, "0"))


@contextmanager
def joining() -> Iterator[Ranks]:
    """Join the processes that were started together, by gloo on CPUs and nccl on GPUs; alone, a process joins nothing.

    Raises InputError where the variables that say which process this is are malformed, and RuntimeFailure where the
    others cannot be met.
    """
    if not is_launched():
        yield Ranks()
        return
    try:
        rank, size, local = (int(os.environ.get(name, "0")) for name in (RANK, WORLD_SIZE, LOCAL_RANK))
    except ValueError as error:
        raise InputError(f"{RANK}, {WORLD_SIZE} and {LOCAL_RANK} are numbers that torchrun sets: {error}") from error
    device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with telling_of_others():
        store, rank, size = next(rendezvous("env://"))
        # the store outlives processes that are started anew, and has the addresses of those before: each time its own
        store = PrefixStore(f"start_{count_restarts()}", store)
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    try:
        with telling_of_others():  # also in the backward pass, whose gradients torch averages
            yield ProcessRanks(rank, size, device)
    except BaseException:
        _leave_undone()
        raise
    dist.destroy_process_group()


def _leave_undone() -> None:
    """Have torch's process group be there until the process has ended. When one with unfinished work is destroyed,
    torch 2.13 waits for its threads and keeps Python's lock, for which these may wait: the process would never end."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(dist.group.WORLD))
