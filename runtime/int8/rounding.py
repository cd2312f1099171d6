"""Rounding to the numbers that have an integer, in torch, with gradients that pass as if nothing had been rounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from archspec.extras import extra
from compiler.onnx_target.int8.scheme import MAX_BIAS_STEPS, MIN_SCALE, QuantParams

with extra("train"):
    import torch
    from torch import Tensor, nn


class FakeQuantizer(nn.Module):
    """Rounds the value of that name as QuantizeLinear and DequantizeLinear do one after the other.

    A gradient passes where the number lies between the ends, and is zero beyond, where the result does not change
    (Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons", 2013). That is what
    `torch.fake_quantize_per_tensor_affine` does, but for numbers halfway between two integers: it multiplies by the
    scale's reciprocal, and runtimes divide.
    """

    scale: Tensor

    def __init__(self, value: str, params: QuantParams) -> None:
        super().__init__()
        self.value = value
        self.zero_point = int(params.zero_point)
        limits = np.iinfo(params.zero_point.dtype)
        self.lowest, self.highest = int(limits.min), int(limits.max)
        self.register_buffer("scale", torch.tensor(float(params.scale)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return round_values(x, self.scale, self.zero_point, self.lowest, self.highest)

    def extra_repr(self) -> str:
        return f"{self.value}, zero_point={self.zero_point}, integers {self.lowest} to {self.highest}"


class _RoundValues(torch.autograd.Function):
    """Rounding of activations."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, zero_point: int, lowest: int, highest: int) -> Tensor:
        steps = torch.round(x / scale).add_(zero_point)
        ctx.save_for_backward((steps >= lowest) & (steps <= highest))
        return steps.clamp_(lowest, highest).sub_(zero_point).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (within,) = ctx.saved_tensors
        return gradients[0] * within, None, None, None, None


class _PassThrough(torch.autograd.Function):
    """Other numbers in the place of some, whose gradient is theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rounded: Tensor) -> Tensor:
        ctx.dtype = x.dtype
        return rounded.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return gradients[0].to(ctx.dtype), None


round_values: Callable[[Tensor, Tensor, int, int, int], Tensor] = _RoundValues.apply
pass_through: Callable[[Tensor, Tensor | None], Tensor] = _PassThrough.apply


def round_layer(weight: Tensor, bias: Tensor | None, input_scale: Tensor, limit: int) -> tuple[Tensor, Tensor | None]:
    """Round a layer's weight (out, …), and its bias where it is given, to the numbers that `quantize_layer` has
    integers for, with an input of that scale; gradients pass as if nothing had been rounded."""
    with torch.no_grad():
        rows = weight.double().flatten(1)
        scale = rows.abs().amax(1) / limit
        if bias is not None:
            scale = torch.maximum(scale, bias.double().abs() / (input_scale.double() * MAX_BIAS_STEPS))
        scale = scale.clamp(min=MIN_SCALE).float()
        steps = (rows / scale.double()[:, None]).round_().clamp_(-limit, limit).float()
        numbers = (steps * scale[:, None]).reshape(weight.shape)
        bias_scale = (scale * input_scale).double()
        terms = None if bias is None else ((bias.double() / bias_scale).round_() * bias_scale).float()
    return pass_through(weight, numbers), None if bias is None else pass_through(bias, terms)
