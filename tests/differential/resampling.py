"""Maps of other extents in plain torch: enlarged, resized and pooled, an axis at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

import torch
from torch import Tensor

from tests.differential.layers import Fields

Weights = Mapping[str, Tensor]


def pool_evenly(x: Tensor, size: int, reduce: Callable[..., Tensor]) -> Tensor:
    for axis in range(2, x.dim()):
        extent = x.shape[axis]
        ends = [(math.floor(i * extent / size), math.ceil((i + 1) * extent / size)) for i in range(size)]
        parts = [reduce(x.narrow(axis, start, end - start), axis, keepdim=True) for start, end in ends]
        x = torch.cat(parts, axis)
    return x


def upsample(x: Tensor, f: Fields, w: Weights) -> Tensor:
    scale = Fraction(f["scale"]).limit_denominator(16)
    for axis in range(2, x.dim()):
        extent = x.shape[axis]
        x = resample(x, axis, int(extent * scale), float(1 / scale), f)
    return x


def resize(operands: list[Tensor], f: Fields) -> Tensor:
    x, like = operands
    for axis in range(2, x.dim()):
        x = resample(x, axis, like.shape[axis], x.shape[axis] / like.shape[axis], f)
    return x


def resample(x: Tensor, axis: int, new: int, step: float, f: Fields) -> Tensor:
    """One axis by a matrix of weights."""
    old, places = x.shape[axis], torch.arange(new, dtype=torch.float64)
    if f["corners"] == "aligned":
        at = places * ((old - 1) / max(1, new - 1))
    else:
        at = places * step if f["mode"] == "nearest" else (places + 0.5) * step - 0.5
    low, reach = (at + 1e-9).floor(), {"nearest": (0,), "linear": (0, 1), "cubic": (-1, 0, 1, 2)}[f["mode"]]
    matrix = torch.zeros(new, old, dtype=torch.float64)
    for offset in reach:
        weight = KERNELS[f["mode"]]((at - low - offset).abs())
        position = (low + offset).long().clamp(0, old - 1)
        matrix[torch.arange(new), position] += weight
    return torch.tensordot(x, matrix.to(x.dtype), ([axis], [1])).movedim(-1, axis)


def cubic_kernel(d: Tensor, a: float = -0.75) -> Tensor:
    """Keys (1981)."""
    near, far = (a + 2) * d**3 - (a + 3) * d**2 + 1, a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))


KERNELS: dict[str, Callable[[Tensor], Tensor]] = {
    "nearest": torch.ones_like,
    "linear": lambda d: 1 - d,
    "cubic": cubic_kernel,
}
