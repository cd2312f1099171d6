"""Normalizations that torch does not have, or has with other names in the state dict."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archspec.ops import Conv, ConvTranspose, Kernel, Shape


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalization of any rank, without torch's counter of batches (used only if momentum is None)."""

    momentum: float
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float, momentum: float, affine: bool) -> None:
        super().__init__(channels, eps, momentum, affine)
        self.register_buffer("num_batches_tracked", None)

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any rank."""

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        # torch's own adds the counter to state dicts that lack it
        nn.Module._load_from_state_dict(self, *args, **kwargs)


class GhostBatchNorm(BatchNorm):
    """Batch normalization that trains on parts of `size` samples, one after the other (Hoffer et al., 2017).

    The last part may be smaller. Each part moves the running statistics once, in order.
    """

    def __init__(self, channels: int, eps: float, momentum: float, affine: bool, size: int) -> None:
        super().__init__(channels, eps, momentum, affine)
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        return torch.cat([*map(super().forward, self.parts(x))])

    def parts(self, x: Tensor) -> list[Tensor]:
        """Split x into the ghost batches, which are views of it."""
        *parts, last = torch.split(x, self.size)
        if parts and last.numel() == self.num_features:  # one value for each channel has no variance
            last = torch.cat([parts.pop(), last])
        return [*parts, last]

    def extra_repr(self) -> str:
        return f"{self.num_features}, size={self.size}, eps={self.eps}, momentum={self.momentum}"


class BatchRenorm(BatchNorm):
    """Batch normalization that trains towards its running statistics (Ioffe, 2017).

    γ ((x - μ_B) / σ_B · r + d) + β, with r = σ_B / σ within [1/r_max, r_max] and d = (μ_B - μ) / σ within ±d_max, both
    without gradient. Deviations are √(variance + eps), σ_B's of the batch's own, biased variance. The running
    statistics move after that, as torch's batch normalization moves them: by `momentum`, towards the unbiased variance.
    """

    def __init__(self, channels: int, eps: float, momentum: float, affine: bool, r_max: float, d_max: float) -> None:
        super().__init__(channels, eps, momentum, affine)
        self.r_max, self.d_max = r_max, d_max

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        r, d = self.correct(x)
        # γ (n r + d) + β = n (γ r) + (γ d + β): one normalization by torch's own kernel, which moves the statistics too
        weight, bias = (self.weight * r, self.weight * d + self.bias) if self.affine else (r, d)
        return F.batch_norm(x, self.running_mean, self.running_var, weight, bias, True, self.momentum, self.eps)

    @torch.no_grad()
    def correct(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute r and d of each channel."""
        variance, mean = torch.var_mean(x.to(self.running_mean.dtype), [0, *range(2, x.dim())], correction=0)
        deviation = torch.sqrt(self.running_var + self.eps)
        r = torch.sqrt(variance + self.eps) / deviation
        d = (mean - self.running_mean) / deviation
        return r.clamp(1 / self.r_max, self.r_max), d.clamp(-self.d_max, self.d_max)

    def extra_repr(self) -> str:
        return f"{self.num_features}, r_max={self.r_max:g}, d_max={self.d_max:g}, eps={self.eps}"


class GroupNorm(nn.GroupNorm):
    """torch's group normalization, also of groups of a single value: it is its own mean, so exactly the bias is left.
    torch leaves what is rounded off it, and refuses a batch of one. With a group for each channel it is instance
    normalization."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1:].numel() == self.num_groups:
            x = x - x
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


def group_norm(groups: int, channels: int, eps: float, affine: bool) -> nn.GroupNorm:
    """Make torch's own module where a group has several channels, and so more than one value at every size: other tools
    know it."""
    kind = nn.GroupNorm if channels > groups else GroupNorm
    return kind(groups, channels, eps, affine)


class RmsNorm(nn.Module):
    """Division by the root of the mean square over the channels at each position: (N, C, *S) -> (N, C, *S)."""

    def __init__(self, channels: int, eps: float, affine: bool) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.empty(channels)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        x = x * self._invert_root(x)
        return x if self.weight is None else x * self.weight.view(-1, *[1] * (x.dim() - 2))

    def _invert_root(self, x: Tensor) -> Tensor:
        if x.dtype != torch.float16:
            return torch.rsqrt(x.square().mean(1, keepdim=True) + self.eps)
        # of which the squares of numbers from 256 on are infinite
        length = torch.linalg.vector_norm(x, dim=1, keepdim=True, dtype=torch.float32)
        return torch.rsqrt(length.square() / x.shape[1] + self.eps).to(x.dtype)


class L2Norm(nn.Module):
    """Division by the length of the channels at each position: (N, C, *S) -> (N, C, *S)."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1, eps=self.eps)


class ChannelNorm(nn.Module):
    """Layer normalization over the channels at each position: (N, C, *S) -> (N, C, *S)."""

    def __init__(self, channels: int, eps: float, affine: bool) -> None:
        super().__init__()
        self.channels, self.eps = channels, eps
        self.weight = nn.Parameter(torch.empty(channels)) if affine else None
        self.bias = nn.Parameter(torch.empty(channels)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        last = x.movedim(1, -1)
        last = F.layer_norm(last, last.shape[-1:], self.weight, self.bias, self.eps)
        return last.movedim(-1, 1)


class WeightNormalized(nn.Module):
    """A layer whose kernel is length · v / |v|, with one length for each output channel (Salimans and Kingma, 2016).

    `weight` holds v. `apply(x, kernel, bias)` is the layer; `layout` are the kernel's extents as
    (groups, inputs of a group, outputs of a group, positions): the norm is over inputs and positions.
    """

    def __init__(
        self,
        apply: Callable[..., Tensor],
        kernel: tuple[int, ...],
        layout: tuple[int, int, int, int],
        bias: bool,
    ) -> None:
        super().__init__()
        groups, _, outputs, _ = layout
        self.weight = nn.Parameter(torch.empty(kernel))
        self.length = nn.Parameter(torch.empty(groups * outputs))
        self.bias = nn.Parameter(torch.empty(groups * outputs)) if bias else None
        self.apply_kernel, self.layout = apply, layout

    @property
    def kernel(self) -> Tensor:
        """The kernel, length · v / |v|, in the layout of the layer's own kernel."""
        groups, _, outputs, _ = self.layout
        direction = self.weight.reshape(self.layout)
        norm = torch.linalg.vector_norm(direction, dim=(1, 3), keepdim=True)
        rows: Tensor = self.length.view(groups, 1, outputs, 1) * (direction / norm)
        return rows.view_as(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.apply_kernel(x, self.kernel, self.bias)

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, bias={self.bias is not None}"


class StandardizedConvolution(nn.Module):
    """A convolution whose kernel has mean 0 and variance 1 over what each output channel reads (Qiao et al., 2019), or
    with `lengths` this times a learned length over the root of its number of weights (Brock et al., 2021)."""

    def __init__(self, apply: Callable[..., Tensor], kernel: tuple[int, ...], bias: bool, lengths: bool, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(kernel))
        self.length = nn.Parameter(torch.empty(kernel[0])) if lengths else None
        self.bias = nn.Parameter(torch.empty(kernel[0])) if bias else None
        self.apply_kernel, self.eps = apply, eps

    @property
    def kernel(self) -> Tensor:
        """The kernel in the layout of the layer's own: torch's batch normalization, as one sample of so many
        channels."""
        rows = self.weight.reshape(1, self.weight.shape[0], -1)
        factor = None if self.length is None else self.length * rows.shape[-1] ** -0.5
        return F.batch_norm(rows, None, None, factor, training=True, eps=self.eps).view_as(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.apply_kernel(x, self.kernel, self.bias)

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, bias={self.bias is not None}, eps={self.eps}"


def normalize_weights(op: Kernel, x: Shape, apply: Callable[..., Tensor]) -> nn.Module:
    """The module of a layer whose kernel is made of a direction and lengths, or standardized; `apply` computes the
    layer."""
    kernel = op.weights(x)["weight"].shape
    if isinstance(op, Conv) and op.standardize:
        return StandardizedConvolution(apply, kernel, op.bias, op.weight_norm, op.eps)
    layout = (op.out, 1, 1, prod(kernel[1:]))
    if isinstance(op, ConvTranspose):  # its kernel has the inputs of all groups first, then the outputs of one
        layout = (op.groups, kernel[0] // op.groups, kernel[1], prod(kernel[2:]))
    return WeightNormalized(apply, kernel, layout, op.bias)
