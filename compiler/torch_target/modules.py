"""Modules that torch does not have, or has with other names in the state dict."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalization of any rank, without torch's counter of batches (used only if momentum is None)."""

    def __init__(self, channels: int, eps: float, momentum: float, affine: bool) -> None:
        super().__init__(channels, eps, momentum, affine)
        self.register_buffer("num_batches_tracked", None)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any rank will do."""

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        # torch's own adds the counter to state dicts that lack it
        nn.Module._load_from_state_dict(self, *args, **kwargs)


class ChannelNorm(nn.Module):
    """Layer normalization over the channels at each position: (N, C, *S) -> (N, C, *S)."""

    def __init__(self, channels: int, eps: float, affine: bool) -> None:
        super().__init__()
        self.channels, self.eps = channels, eps
        self.weight = nn.Parameter(torch.empty(channels)) if affine else None
        self.bias = nn.Parameter(torch.empty(channels)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        last = F.layer_norm(x.movedim(1, -1), (self.channels,), self.weight, self.bias, self.eps)
        return last.movedim(-1, 1)


class Scale(nn.Module):
    """A constant times x."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return x * self.value

    def extra_repr(self) -> str:
        return f"{self.value:g}"


class LearnedScale(nn.Module):
    """A learned number times x."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(start))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class StochasticDepth(nn.Module):
    """Keeps or drops whole samples while training; multiplies by the probability of survival otherwise."""

    def __init__(self, survival: float) -> None:
        super().__init__()
        self.survival = survival

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x * self.survival
        kept = torch.rand([x.shape[0]] + [1] * (x.dim() - 1), device=x.device) < self.survival
        return x * kept.to(x.dtype)

    def extra_repr(self) -> str:
        return f"survival={self.survival:g}"


class PadChannels(nn.Module):
    """Appends channels of zeros."""

    def __init__(self, extra: int, rank: int) -> None:
        super().__init__()
        self.padding = (0, 0) * rank + (0, extra)

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self.padding)

    def extra_repr(self) -> str:
        return f"{self.padding[-1]}"


class CentreCrop(nn.Module):
    """Cuts the centre out of x: along each spatial axis the smallest extent among all operands."""

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        for axis in range(2, x.dim()):
            size = min([x.shape[axis]] + [other.shape[axis] for other in others])
            x = x.narrow(axis, (x.shape[axis] - size) // 2, size)
        return x
