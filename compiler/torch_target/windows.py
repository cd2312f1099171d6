"""Convolutions and poolings that pad in a step of their own: torch's pad as much at both ends of an axis, whatever its
size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archspec.ops.window import PaddingRule, pad_window

WindowFields: TypeAlias = tuple[int, int, PaddingRule | int, int]
"""The kernel, stride, padding and dilation of a window along one axis."""


@dataclass(frozen=True)
class Padding:
    """What windows of these fields have padded around x, at whatever size it comes."""

    fields: Sequence[WindowFields]
    value: float = 0.0

    def __call__(self, x: Tensor) -> Tensor:
        windows = [pad_window(*fields, size) for fields, size in zip(self.fields, x.shape[2:], strict=True)]
        if not any(window.padding for window in windows):
            return x
        return F.pad(x, [size for w in reversed(windows) for size in (w.before, w.after)], value=self.value)


@dataclass(frozen=True)
class PadAndConvolve:
    """A convolution as a function of its operand, its kernel and its bias, that pads first."""

    pad: Padding
    convolve: Callable[..., Tensor]

    def __call__(self, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        return self.convolve(self.pad(x), kernel, bias)


class PaddedConvolution(nn.Module):
    """A convolution with a stored kernel that is computed by a function."""

    def __init__(self, apply: PadAndConvolve, kernel: tuple[int, ...], bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(kernel))
        self.bias = nn.Parameter(torch.empty(kernel[0])) if bias else None
        self.apply_kernel = apply

    def forward(self, x: Tensor) -> Tensor:
        return self.apply_kernel(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, {self.apply_kernel.pad.fields}, bias={self.bias is not None}"


class PaddedPool(nn.Module):
    """A pooling that pads first; with `inside` the means are over what lies inside x alone."""

    def __init__(self, pad: Padding, pool: nn.Module, inside: bool = False) -> None:
        super().__init__()
        self.pad, self.pool, self.inside = pad, pool, inside

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.pool(self.pad(x))
        if not self.inside:
            return pooled
        counted: Tensor = self.pool(self.pad(x.new_ones(1, 1, *x.shape[2:])))
        return pooled / counted

    def extra_repr(self) -> str:
        return f"{self.pad.fields}"
