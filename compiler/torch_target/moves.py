"""Modules that put numbers at other places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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


class DepthToSpace(nn.Module):
    """torch's pixel shuffle along any number of axes."""

    def __init__(self, block: int) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        rank, space = x.dim() - 2, x.shape[2:]
        parts = x.reshape(x.shape[0], -1, *[self.block] * rank, *space)
        order = [axis for place in range(rank) for axis in (2 + rank + place, 2 + place)]
        return parts.permute(0, 1, *order).reshape(x.shape[0], -1, *(extent * self.block for extent in space))

    def extra_repr(self) -> str:
        return f"{self.block}"


class SpaceToDepth(nn.Module):
    """torch's pixel unshuffle along any number of axes."""

    def __init__(self, block: int) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        rank, space = x.dim() - 2, [extent // self.block for extent in x.shape[2:]]
        parts = x.reshape(*x.shape[:2], *(extent for each in space for extent in (each, self.block)))
        order = [*range(3, 2 * rank + 2, 2), *range(2, 2 * rank + 2, 2)]
        return parts.permute(0, 1, *order).reshape(x.shape[0], -1, *space)

    def extra_repr(self) -> str:
        return f"{self.block}"


class ShuffleChannels(nn.Module):
    """Deals the channels out from so many groups."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        parts = x.reshape(x.shape[0], self.groups, -1, *x.shape[2:])
        return parts.transpose(1, 2).reshape(x.shape)

    def extra_repr(self) -> str:
        return f"{self.groups}"


class Pad(nn.Module):
    """Adds positions before and after those of each axis of space."""

    def __init__(self, sides: Sequence[tuple[int, int]], mode: str) -> None:
        super().__init__()
        self.ends, self.mode = [end for side in reversed(sides) for end in side], mode  # the last axis comes first

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self.ends, mode=self.mode)

    def extra_repr(self) -> str:
        return f"{self.ends}, {self.mode}"


class MaxUnpool(nn.Module):
    """Puts each value where the largest number of its window stands in what was pooled, among zeros."""

    def __init__(self, pool: Callable[..., tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor, pooled: Tensor) -> Tensor:
        with torch.no_grad():
            _, places = self.pool(pooled)
        zeros = x.new_zeros(*x.shape[:2], prod(pooled.shape[2:]))
        return zeros.scatter(2, places.flatten(2), x.flatten(2)).view(pooled.shape)


class Transpose(nn.Module):
    """Exchanges channels and positions: (N, C, L) -> (N, L, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


class Map(nn.Module):
    """Lays a row of tokens out with the extents of another value."""

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], *like.shape[2:])
