"""Modules that put numbers at other places."""

from __future__ import annotations

import torch
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


class Roll(nn.Module):
    """Moves positions on along the axes of space, those beyond the end to the start."""

    def __init__(self, shifts: tuple[int, ...]) -> None:
        super().__init__()
        self.moved = [(dim, shift) for dim, shift in enumerate(shifts, start=2) if shift]

    def forward(self, x: Tensor) -> Tensor:
        for dim, shift in self.moved:
            x = torch.roll(x, shift, dim)
        return x

    def extra_repr(self) -> str:
        return ", ".join(f"dim {dim}: {shift}" for dim, shift in self.moved)
