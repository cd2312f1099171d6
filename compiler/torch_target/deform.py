"""Deformable convolution in plain torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archspec import ops
from archspec.ops import Shape


class DeformConv(nn.Module):
    """A convolution whose taps stand where offsets say: what they take, sampled between positions, and a product with
    the kernel. Operands and result are (N, C, H, W). Places are computed in at least single precision."""

    weight: Tensor
    length: Tensor
    bias: Tensor

    def __init__(self, op: ops.DeformConv, x: Shape) -> None:
        super().__init__()
        self.op = op
        for name, weight in op.weights(x).items():
            self.register_parameter(name, nn.Parameter(torch.empty(weight.shape)))

    def forward(self, x: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        kernel = self.weight.flatten(1)
        if self.op.weight_norm:
            kernel = self.length[:, None] * F.normalize(kernel, eps=0)
        bias = self.bias if self.op.bias else None
        return F.conv2d(self.sample(x, offset, mask), kernel[..., None, None], bias, groups=self.op.groups)

    def sample(self, x: Tensor, offset: Tensor, mask: Tensor | None) -> Tensor:
        """The numbers that each tap takes of each channel, (N, C · taps, H', W')."""
        (batch, channels, *extents), (height, width), parts = x.shape, offset.shape[2:], self.op.offset_groups
        places = self._find_places(offset, Shape(channels, *extents))
        split = x.reshape(batch * parts, channels // parts, *extents).to(places.dtype)
        taken = F.grid_sample(split, places.flatten(1, 2), "bilinear", "zeros", align_corners=False)
        if mask is not None:
            taken = taken * mask.reshape(batch * parts, 1, -1, width)
        return taken.reshape(batch, -1, height, width).to(x.dtype)

    def _find_places(self, offset: Tensor, x: Shape) -> Tensor:
        """The place of each tap, to the right and down, from -1 at one edge of the map to 1 at the other: (N · groups,
        taps, H', W', 2)."""
        batch, (height, width) = offset.shape[0] * self.op.offset_groups, offset.shape[2:]
        moved = offset.reshape(batch, -1, 2, height, width)
        rows, columns = (self._find_rests(axis, x, offset) for axis in (0, 1))
        down = moved[:, :, 0] + (rows[:, None, :, None] + 0 * columns[None, :, None]).flatten(0, 1)
        right = moved[:, :, 1] + (columns[None, :, None] + 0 * rows[:, None, :, None]).flatten(0, 1)
        return torch.stack([(2 * right + 1) / x.space[1] - 1, (2 * down + 1) / x.space[0] - 1], dim=-1)

    def _find_rests(self, axis: int, x: Shape, offset: Tensor) -> Tensor:
        """The position of each tap of each window along an axis where no offset moves it: (taps, windows)."""
        window = self.op.windows(x)[axis]
        starts = torch.arange(offset.shape[2 + axis], device=offset.device) * window.stride - window.before
        taps = torch.arange(window.kernel, device=offset.device) * window.dilation
        precise = torch.promote_types(offset.dtype, torch.float32)
        return (taps[:, None] + starts).to(precise)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.op.chosen.items())
