"""Modules without chance or statistics that torch does not have: scaling, resizing, padding, cropping, voting."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Scale(nn.Module):
    """Multiplies x by a constant."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return x * self.value

    def extra_repr(self) -> str:
        return f"{self.value:g}"


class LearnedScale(nn.Module):
    """Multiplies x by a learned factor: one number, or one for each channel."""

    def __init__(self, extents: tuple[int, ...]) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.empty(extents))

    def forward(self, x: Tensor) -> Tensor:
        return x * _by_channel(self.factor, x)


class Shift(nn.Module):
    """Adds a constant to x."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return x + self.value

    def extra_repr(self) -> str:
        return f"{self.value:g}"


class LearnedShift(nn.Module):
    """Adds a learned term to x: one number, or one for each channel."""

    def __init__(self, extents: tuple[int, ...]) -> None:
        super().__init__()
        self.term = nn.Parameter(torch.empty(extents))

    def forward(self, x: Tensor) -> Tensor:
        return x + _by_channel(self.term, x)


def _by_channel(learned: Tensor, x: Tensor) -> Tensor:
    """Shape numbers, so that they broadcast: one for each channel as (C, 1, …), one alone or for each position as they
    are."""
    return learned.view(-1, *[1] * (x.dim() - 2)) if learned.dim() == 1 else learned


class Learned(nn.Module):
    """A learned value, for each sample of x again."""

    def __init__(self, extents: tuple[int, ...]) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.empty(extents))

    def forward(self, x: Tensor) -> Tensor:
        return self.value.repeat(x.shape[0], *[1] * self.value.dim())


class Reduce(nn.Module):
    """The mean, the largest, the sum or the length along some dimensions, which stay with extent 1."""

    def __init__(self, by: str, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.by, self.dims = by, dims

    def forward(self, x: Tensor) -> Tensor:
        if self.by == "max":
            return x.amax(self.dims, keepdim=True)
        if self.by == "norm":
            length: Tensor = torch.linalg.vector_norm(x, dim=self.dims, keepdim=True)
            return length
        return x.sum(self.dims, keepdim=True) if self.by == "sum" else x.mean(self.dims, keepdim=True)

    def extra_repr(self) -> str:
        return f"{self.by} over {self.dims}"


class ChannelConv(nn.Module):
    """Convolution along the channels of a single position, with zeros beyond both ends."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, 1, kernel))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv1d(x.flatten(1)[:, None], self.weight, padding=self.weight.shape[-1] // 2).reshape(x.shape)


class SharesOf(nn.Module):
    """Softmax along branches, whose channels stand one branch behind the other; without them, along all positions."""

    def __init__(self, branches: int | None) -> None:
        super().__init__()
        self.branches = branches

    def forward(self, x: Tensor) -> Tensor:
        if self.branches is None:
            return x.flatten(2).softmax(2).view(x.shape)
        parts: Tensor = x.unflatten(1, (self.branches, -1))
        return parts.softmax(1).flatten(1, 2)

    def extra_repr(self) -> str:
        return "positions" if self.branches is None else f"{self.branches} branches"


class Abs(nn.Module):
    """The absolute value."""

    def forward(self, x: Tensor) -> Tensor:
        return x.abs()


class Exp(nn.Module):
    """The exponential."""

    def forward(self, x: Tensor) -> Tensor:
        return x.exp()


class Floored(nn.Module):
    """A function of what is at least `eps`."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def extra_repr(self) -> str:
        return f"eps={self.eps}"


class Sqrt(Floored):
    """The square root."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(min=self.eps).sqrt()


class Log(Floored):
    """The natural logarithm."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(min=self.eps).log()


class Clip(nn.Module):
    """Keeps x between two numbers, of which one may be missing."""

    def __init__(self, low: float | None, high: float | None) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(self.low, self.high)

    def extra_repr(self) -> str:
        return f"{self.low}, {self.high}"


class PadChannels(nn.Module):
    """Appends channels of zeros until there are `out`; more than these are a ValueError, where torch would cut."""

    def __init__(self, out: int) -> None:
        super().__init__()
        self.out = out

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] > self.out:
            raise ValueError(f"cannot pad {x.shape[1]} channels to {self.out}")
        return F.pad(x, (0, 0) * (x.dim() - 2) + (0, self.out - x.shape[1]))

    def extra_repr(self) -> str:
        return f"{self.out}"


class AvgPool3d(nn.AvgPool3d):
    """torch's average pooling, also of maps that are smaller than the kernel before they are padded, which torch's own
    refuses in three dimensions alone: there the means are taken along the axes one after the other."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride, padding = map(_spread, (self.kernel_size, self.stride, self.padding))
        if all(size >= edge for size, edge in zip(x.shape[2:], kernel, strict=True)):
            return super().forward(x)
        for axis in range(3):
            last = x.movedim(axis + 2, -1)
            window = (1, kernel[axis]), (1, stride[axis]), (0, padding[axis])
            means = F.avg_pool2d(last.flatten(1, -2), *window, self.ceil_mode, self.count_include_pad)
            x = means.reshape(*last.shape[:-1], -1).movedim(-1, axis + 2)
        return x


def _spread(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,) * 3


class Resize(nn.Module):
    """Gives x the spatial extents of another value."""

    def __init__(self, mode: str, align_corners: bool | None = None) -> None:
        super().__init__()
        self.mode, self.align_corners = mode, align_corners

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(x, like.shape[2:], mode=self.mode, align_corners=self.align_corners)

    def extra_repr(self) -> str:
        return self.mode if self.align_corners is None else f"{self.mode}, align_corners={self.align_corners}"


class CentreCrop(nn.Module):
    """Cuts the centre out of x: along each spatial axis the smallest extent among all operands."""

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        for axis in range(2, x.dim()):
            size = min([x.shape[axis]] + [other.shape[axis] for other in others])
            x = x.narrow(axis, (x.shape[axis] - size) // 2, size)
        return x


class CentrePad(nn.Module):
    """Pads x with zeros on both sides of each spatial axis to the largest extent among all operands; an odd position
    goes to the end."""

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        padding: list[int] = []
        for axis in range(x.dim() - 1, 1, -1):  # F.pad speaks of the last axis first
            missing = max([x.shape[axis]] + [other.shape[axis] for other in others]) - x.shape[axis]
            padding += [missing // 2, missing - missing // 2]
        return F.pad(x, padding)


class RepeatSpace(nn.Module):
    """Repeats x along each spatial axis where it has one position, to the largest extent among all operands."""

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        extents = map(max, zip(*(value.shape[2:] for value in (x, *others)), strict=True))
        return x.repeat(1, 1, *(extent // own for extent, own in zip(extents, x.shape[2:], strict=True)))


class Vote(nn.Module):
    """The share of the operands in which a channel is the largest at each position, the first of equal ones; it has no
    gradient."""

    def forward(self, *values: Tensor) -> Tensor:
        shares = torch.zeros_like(values[0])
        for value in values:
            shares = shares.scatter_add(1, value.argmax(1, keepdim=True), torch.ones_like(value[:, :1]))
        return shares / len(values)


class Embedding(nn.Embedding):
    """The rows that whole numbers (N, 1, *S) name, as (N, C, *S)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.squeeze(1)).movedim(-1, 1)
