"""Where the weights of a training lie, as everything but the step itself sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from archspec.extras import extra
from runtime.training.ema import holding
from runtime.training.ranks import Ranks

with extra("train"):
    import torch
    from torch import Tensor, nn


class WeightStorage:
    """How the weights of a module lie in the processes of a training; gradients, momenta and moving averages likewise.
    This class has all in each process. All processes call each method."""

    def wrap(self, module: nn.Module, ranks: Ranks) -> Callable[..., Any]:
        """Give a form of the module whose gradients are the mean over all processes."""
        return ranks.wrap(module)

    def gather(self, values: Tensor) -> Tensor:
        """Give the whole of a tensor that lies as weights do."""
        return values

    def collect(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Give tensors whole to the process that saves them; others may get none."""
        return tensors

    def lay(self, values: Tensor, like: Tensor) -> Tensor:
        """Lay whole values out as a weight of their shape lies."""
        return torch.empty_like(like, dtype=values.dtype).copy_(values)

    @contextmanager
    def computing(self, module: nn.Module, weights: Mapping[str, Tensor] | None = None) -> Iterator[nn.Module]:
        """Give a module that computes as a training's does, with its weights or with others by the same names, whole or
        lying as they do; afterwards all is as it was."""
        with nullcontext() if weights is None else holding(module, weights):
            yield module
