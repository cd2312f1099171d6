"""The exponential moving average of a network's weights while it learns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from archspec.extras import extra

with extra("train"):
    import torch
    from torch import Tensor, nn


class MovingAverage:
    """The moving average of a module's weights, and of what BatchNorm knows of them.

    After the n-th step, counted from 1, each floating-point tensor of the state dict, BatchNorm's running statistics
    too, becomes d · average + (1 - d) · weight with d = min(decay, n / (9 + n)): the early average forgets the random
    weights that training began with (as tf.train.ExponentialMovingAverage does). Whole numbers, which are counters, are
    those of the module. The average begins as the weights are now.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay, self.updates = module, decay, 0
        self.average = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        self.updates += 1
        decay = min(self.decay, self.updates / (9 + self.updates))
        for name, value in self.module.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value.to(self.average[name].device), 1 - decay)
            else:
                self.average[name].copy_(value)

    def load(self, average: Mapping[str, Tensor], updates: int) -> None:
        """Go on from an average after some updates."""
        for name, value in average.items():
            self.average[name].copy_(value)
        self.updates = updates


@contextmanager
def holding(module: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Have a module compute with other weights; afterwards it has its own again, bit for bit."""
    state = module.state_dict()
    own = {name: value.detach().clone() for name, value in state.items()}
    try:
        _copy(weights, state)
        yield
    finally:
        _copy(own, state)


@torch.no_grad()
def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, value in source.items():
        target[name].copy_(value)
