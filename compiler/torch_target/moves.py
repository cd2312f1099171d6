"""Modules that put numbers at other places."""

from __future__ import annotations

from torch import Tensor, nn


class Slice(nn.Module):
    """Takes positions along one axis, counted from 0 for the channels, or from the last where it is negative."""

    def __init__(self, axis: int, start: int, stop: int | None, step: int) -> None:
        super().__init__()
        self.dim = axis + 1 if axis >= 0 else axis
        self.taken = slice(start, stop, step)

    def forward(self, x: Tensor) -> Tensor:
        return x[(slice(None),) * (self.dim % x.dim()) + (self.taken,)]

    def extra_repr(self) -> str:
        taken = self.taken
        return f"dim={self.dim}, {taken.start}:{'' if taken.stop is None else taken.stop}:{taken.step}"
