"""Attention in torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archspec import ops
from archspec.ops import Shape
from archspec.ops.attention import MASKED, MAX_LOGIT_SCALE
from archspec.ops.fields import along

Partition: TypeAlias = tuple[tuple[int, int], ...]
"""The number of windows along each axis, and the extent of one."""


class Attention(nn.Module):
    """Means of the values for each position of the query; all operands are (N, C, *S), and so is the result."""

    logit_scale: Tensor
    table: Tensor
    inner: Tensor
    inner_bias: Tensor
    outer: Tensor

    def __init__(self, op: ops.Attention, query: Shape) -> None:
        super().__init__()
        self.op = op
        for name, weight in op.weights(query).items():
            self.register_parameter(name, nn.Parameter(torch.empty(weight.shape)))

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        op, cut = self.op, self._cut(query)
        q, k, v = (split_heads(x, op.heads, self._cut(x), grid=op.grid) for x in (query, key, value))
        scale = op.scale
        if op.similarity == "cosine":
            factor = self.logit_scale.clamp(max=MAX_LOGIT_SCALE).exp()
            q, k, scale = F.normalize(q, dim=-1) * factor[:, None, None], F.normalize(k, dim=-1), 1.0
        terms = self._list_terms(query, cut)
        if op.causal and terms:
            terms.append(torch.full((q.shape[-2],) * 2, float("-inf")).to(query).triu(1))
        mask = sum(terms[1:], terms[0]) if terms else None
        result = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=op.causal and mask is None, scale=scale
        )
        return join_heads(result, query.shape, cut, grid=op.grid)

    def _cut(self, x: Tensor) -> Partition:
        shape = Shape(*x.shape[1:])
        sizes = shape.space if self.op.window is None else along(self.op.window, shape, "window")
        return tuple((extent // size, size) for extent, size in zip(shape.space, sizes, strict=True))

    def _list_terms(self, query: Tensor, cut: Partition) -> list[Tensor]:
        """The terms that are added to all scores, so that they broadcast with (N · windows, heads, L, T)."""
        shifts = along(self.op.shift, Shape(*query.shape[1:]), "shift")
        terms = [self._add_distances(tuple(size for _, size in cut), query)] if self.op.bias != "none" else []
        if any(shift and windows > 1 for shift, (windows, _) in zip(shifts, cut, strict=True)):
            terms.append(mask_shifted(cut, shifts, query))
        return terms

    def _add_distances(self, sizes: tuple[int, ...], query: Tensor) -> Tensor:
        """The term of each distance, for each head and pair of positions: (heads, L, L)."""
        if self.op.bias == "relative":
            table = self.table
        else:
            distances = list_distances(sizes).to(query)
            hidden = F.relu(F.linear(distances, self.inner, self.inner_bias))
            table = 16 * torch.sigmoid(F.linear(hidden, self.outer))
        places = number_distances(sizes, query.device)
        return table[places].permute(2, 0, 1)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.op.chosen.items())


def split_heads(x: Tensor, heads: int, cut: Partition, *, grid: bool) -> Tensor:
    """Lay out (N, C, *S) as (N · windows, heads, positions of a window, channels of a head)."""
    rank = len(cut)
    parts = x.reshape(x.shape[0], heads, -1, *chain.from_iterable(pair[::-1] if grid else pair for pair in cut))
    windows, inside = (range(3 + first, 3 + 2 * rank, 2) for first in ((1, 0) if grid else (0, 1)))
    laid = parts.permute(0, *windows, 1, *inside, 2)
    return laid.flatten(2 + rank, 1 + 2 * rank).flatten(0, rank).contiguous()


def join_heads(x: Tensor, shape: Sequence[int], cut: Partition, *, grid: bool) -> Tensor:
    """Lay out (N · windows, heads, positions, channels) as (N, C, *S) again, with the batch and extents of `shape`."""
    rank = len(cut)
    parts = x.unflatten(2, [size for _, size in cut]).unflatten(0, (shape[0], *(windows for windows, _ in cut)))
    pairs = ((1 + axis, 2 + rank + axis) for axis in range(rank))
    laid: Tensor = parts.permute(0, 1 + rank, 2 + 2 * rank, *chain.from_iterable(p[::-1] if grid else p for p in pairs))
    return laid.reshape(shape[0], -1, *shape[2:])


def number_distances(sizes: Sequence[int], device: torch.device) -> Tensor:
    """The number of the distance of each pair of positions, row by row from the most negative one: (L, L)."""
    number = torch.zeros((1, 1), dtype=torch.int64, device=device)
    places = torch.meshgrid(*(torch.arange(size, device=device) for size in sizes), indexing="ij")
    for size, place in zip(sizes, places, strict=True):
        row = place.flatten()
        number = number * (2 * size - 1) + row[:, None] - row[None, :] + size - 1
    return number


def list_distances(sizes: Sequence[int]) -> Tensor:
    """The logarithms of all distances, row by row: sign · log₂(1 + 8 |distance| / largest) / 3, (distances, axes)."""
    steps = [torch.arange(1 - size, size) * (8 / max(size - 1, 1)) for size in sizes]
    whole = torch.stack(torch.meshgrid(*steps, indexing="ij"), dim=-1).flatten(0, -2)
    return whole.sign() * torch.log2(whole.abs() + 1) / 3


def mask_shifted(cut: Partition, shifts: Sequence[int], query: Tensor) -> Tensor:
    """The terms of pairs of positions that are neighbours only since the map was rolled: in the last window along an
    axis, of one before the end of the map and one behind it. (N · windows, 1, L, L)."""
    sizes, counts = [size for _, size in cut], [windows for windows, _ in cut]
    apart = torch.zeros((*counts, 1, 1), dtype=torch.bool, device=query.device)
    for axis, (windows, size) in enumerate(cut):
        if windows > 1 and shifts[axis]:
            behind = _along(torch.arange(size) >= size - shifts[axis], axis, sizes).flatten()
            last = _along(torch.arange(windows) == windows - 1, axis, counts)
            apart = apart | (last[..., None, None] & (behind[:, None] != behind)).to(query.device)
    terms = MASKED * apart.to(query.dtype)
    return terms.expand(query.shape[0], *terms.shape).flatten(0, len(cut)).unsqueeze(1)


def _along(row: Tensor, axis: int, sizes: Sequence[int]) -> Tensor:
    """A row along one axis, the same at all places of the others."""
    return row.view([-1 if other == axis else 1 for other in range(len(sizes))]).expand(*sizes)


class EnterWindows(nn.Module):
    """Pads the ends to whole windows, and rolls towards the start."""

    def __init__(self, op: ops.EnterWindows) -> None:
        super().__init__()
        self.op = op

    def forward(self, x: Tensor) -> Tensor:
        shape = Shape(*x.shape[1:])
        missing = [whole - extent for whole, extent in zip(self.op.pad(shape).space, shape.space, strict=True)]
        if any(missing):
            x = F.pad(x, [*chain.from_iterable((0, more) for more in reversed(missing))])
        return _roll(x, [-shift for shift in self.op.shifts(Shape(*x.shape[1:]))])


class LeaveWindows(nn.Module):
    """Rolls back, and cuts the ends off."""

    def __init__(self, op: ops.LeaveWindows) -> None:
        super().__init__()
        self.op = op

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        x = _roll(x, self.op.shifts(Shape(*x.shape[1:])))
        for axis, extent in enumerate(like.shape[2:], start=2):
            x = x.narrow(axis, 0, extent)
        return x.contiguous()


def _roll(x: Tensor, shifts: Sequence[int]) -> Tensor:
    return x.roll(tuple(shifts), tuple(range(2, x.dim()))) if any(shifts) else x
