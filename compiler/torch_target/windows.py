"""Convolutions and poolings in torch, and those that pad in a step of their own: torch's pad as much at both ends of an
axis, whatever its size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archspec import ops
from archspec.ops import AvgPool, Conv, ConvTranspose, MaxPool, Shape
from archspec.ops.fields import along, one_or_each
from archspec.ops.pooling import Pool
from archspec.ops.sliding import pads_apart
from archspec.ops.window import PaddingRule, pad_window
from compiler.torch_target.modules import AvgPool3d
from compiler.torch_target.moves import MaxUnpool
from compiler.torch_target.normalization import normalize_weights

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


Layers: TypeAlias = tuple[Callable[..., nn.Module], ...]
"""torch's layers for one, two and three spatial axes."""

CONV: Layers = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
CONV_TRANSPOSE: Layers = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
APPLY_CONV = (F.conv1d, F.conv2d, F.conv3d)
APPLY_CONV_TRANSPOSE = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
MAX_POOL = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
AVG_POOL = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)


def conv(op: Conv, x: Shape) -> nn.Module:
    sliding = op.windows(x)
    fields: dict[str, Any] = {name: one_or_each(getattr(w, name) for w in sliding) for name in ("stride", "dilation")}
    fields |= {"padding": one_or_each(w.before for w in sliding), "groups": op.groups}
    kernel = op.weights(x)["weight"].shape
    if pads_apart(op.padding, sliding):
        pad = Padding(_list_fields(op, x))
        apply = PadAndConvolve(pad, partial(APPLY_CONV[x.rank - 1], **{**fields, "padding": 0}))
        return PaddedConvolution(apply, kernel, op.bias) if op.stores_kernel else normalize_weights(op, x, apply)
    if not op.stores_kernel:
        return normalize_weights(op, x, partial(APPLY_CONV[x.rank - 1], **fields))
    return CONV[x.rank - 1](x.channels, op.out, one_or_each(kernel[2:]), bias=op.bias, **fields)


def _list_fields(op: Conv | Pool, x: Shape) -> list[WindowFields]:
    """List what a window has along each axis."""
    rows = zip(op.windows(x), along(op.padding, x, "padding"), strict=True)
    return [(window.kernel, window.stride, padding, window.dilation) for window, padding in rows]


def conv_transpose(op: ConvTranspose, x: Shape) -> nn.Module:
    names = ("stride", "padding", "output_padding", "dilation", "groups")
    fields = {name: getattr(op, name) for name in names}
    if op.weight_norm:
        return normalize_weights(op, x, partial(APPLY_CONV_TRANSPOSE[x.rank - 1], **fields))
    return CONV_TRANSPOSE[x.rank - 1](x.channels, op.out, op.kernel, bias=op.bias, **fields)


def max_pool(op: MaxPool, x: Shape) -> nn.Module:
    kernel, stride, padding = _pool_fields(op, x)
    pool = MAX_POOL[x.rank - 1]
    if pads_apart(op.padding, op.windows(x)):
        pad = Padding(_list_fields(op, x), -inf)
        return PaddedPool(pad, pool(kernel, stride, ceil_mode=op.ceil))
    return pool(kernel, stride, padding, ceil_mode=op.ceil)


def max_unpool(op: ops.MaxUnpool, x: Shape, pooled: Shape) -> nn.Module:
    kernel, stride, padding = _pool_fields(op.pooling, pooled)
    pool = MAX_POOL[x.rank - 1](kernel, stride, padding, return_indices=True, ceil_mode=op.ceil)
    return MaxUnpool(pool)


def avg_pool(op: AvgPool, x: Shape) -> nn.Module:
    kernel, stride, padding = _pool_fields(op, x)
    inside, pool = op.count == "inside", AVG_POOL[x.rank - 1]
    if x.rank == 3 and (op.pads or op.ceil):  # then a map may be smaller than the kernel
        pool = AvgPool3d
    if pads_apart(op.padding, op.windows(x)):
        return PaddedPool(Padding(_list_fields(op, x)), pool(kernel, stride, ceil_mode=op.ceil), inside=inside)
    return pool(kernel, stride, padding, ceil_mode=op.ceil, count_include_pad=not inside)


def _pool_fields(op: Pool, x: Shape) -> list[Any]:
    """The kernel, stride and padding of a pooling, as torch takes them."""
    sliding = op.windows(x)
    return [one_or_each(getattr(window, name) for window in sliding) for name in ("kernel", "stride", "before")]
