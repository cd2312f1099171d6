"""Contexts: a module in evaluation mode, torch on a number of threads, or as it starts; afterwards as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from archspec.errors import ArchspecError
from archspec.extras import extra

with extra("train"):
    import torch
    from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Enter evaluation mode without gradients; every submodule then returns to its own mode, frozen ones to theirs."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@contextmanager
def unaffected() -> Iterator[None]:
    """Put torch as it starts, whatever a caller set: float32 in full precision, on the CPU, neither autocast nor
    inference mode."""
    dtype, precision = torch.get_default_dtype(), torch.get_float32_matmul_precision()
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.device("cpu"), torch.inference_mode(False), torch.autocast("cpu", enabled=False):
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_float32_matmul_precision(precision)


@contextmanager
def limited_to(threads: int | None) -> Iterator[None]:
    """Limit torch to that many threads in one operation; None leaves them alone."""
    if threads is None:
        yield
        return
    if threads < 1:
        raise ArchspecError(f"threads must be at least 1, found {threads}")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def device_of(module: nn.Module) -> torch.device:
    """Find the device of the module's first weight; the CPU where it has none."""
    return next((weight.device for weight in module.parameters()), torch.device("cpu"))
