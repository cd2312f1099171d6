"""Modules that draw while they train; at inference each gives its expected form.

They draw from torch's global generator of the value's device, so a run's seed decides.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from archspec.ops.values import Draw


class Surviving(nn.Module):
    """A module that keeps a value with a probability while training.

    `progress` goes from 0, where everything survives, to 1, where `survival` holds; a trainer may move it during
    training (RandomDrop). It is no part of the state dict.
    """

    def __init__(self, survival: float, draw: Draw) -> None:
        super().__init__()
        self.survival, self.draw, self.progress = survival, draw, 1.0

    @property
    def keeping(self) -> float:
        """The probability that holds while training: 1 - progress · (1 - survival)."""
        return 1 - self.progress * (1 - self.survival)

    def draw_survivors(self, x: Tensor) -> Tensor:
        """Draw True where a sample of x is kept, or for the whole batch; it broadcasts with x."""
        return torch.rand(drawn_extents(x, self.draw), device=x.device) < self.keeping

    def extra_repr(self) -> str:
        return f"survival={self.survival:g}, draw={self.draw}"


class StochasticDepth(Surviving):
    """Saves or drops while training, and multiplies by the probability of survival otherwise; with `rescale` it divides
    by that probability while training, and changes nothing otherwise."""

    def __init__(self, survival: float, draw: Draw, rescale: bool) -> None:
        super().__init__(survival, draw)
        self.rescale = rescale

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x if self.rescale else x * self.survival
        kept = self.draw_survivors(x).to(x.dtype)
        if self.rescale and self.keeping > 0:  # nothing survives at 0, and nothing needs a division
            kept = kept / self.keeping
        return x * kept

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, rescale={self.rescale}"


class ShakeDrop(Surviving):
    """Multiplies by b + α - b α forward and by b + β - b β backward while training, with α in [-1, 1] and β in [0, 1]
    drawn apart and b = 1 at the probability of survival (Yamada et al., 2019); by that probability otherwise."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x * self.survival
        kept = self.draw_survivors(x)
        alpha, beta = torch.rand((2, *kept.shape), device=x.device)
        return combine(torch.where(kept, 1.0, 2 * alpha - 1)[None], torch.where(kept, 1.0, beta)[None], x)


class Shake(nn.Module):
    """A mean whose weights are drawn while training, from all that sum to one: once forward, once backward (Gastaldi,
    2017); otherwise each operand weighs the same. With two operands the weights are α and 1 - α."""

    def __init__(self, draw: Draw) -> None:
        super().__init__()
        self.draw = draw

    def forward(self, *values: Tensor) -> Tensor:
        if not self.training:
            return reduce(torch.add, values) / len(values)
        return combine(self.draw_weights(values), self.draw_weights(values), *values)

    def draw_weights(self, values: tuple[Tensor, ...]) -> Tensor:
        """Draw weights uniformly on the simplex, as exponential draws over their sum are: (operands, samples or 1, 1,
        …)."""
        extents = (len(values), *drawn_extents(values[0], self.draw))
        shares = -torch.log1p(-torch.rand(extents, device=values[0].device))
        return shares / shares.sum(0)

    def extra_repr(self) -> str:
        return f"draw={self.draw}"


def drawn_extents(x: Tensor, draw: Draw) -> tuple[int, ...]:
    """Give the extents of what is drawn for each sample of x, or once for its batch, broadcasting with x."""
    return (x.shape[0] if draw == "sample" else 1, *[1] * (x.dim() - 1))


def combine(forward: Tensor, backward: Tensor, *values: Tensor) -> Tensor:
    """Compute Σ forwardᵢ · valueᵢ, of which the gradients are those of Σ backwardᵢ · valueᵢ; weights have one row a
    value."""
    result: Tensor = _Combine.apply(forward, backward, *values)  # type: ignore[no-untyped-call]
    return result


class _Combine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, forward: Tensor, backward: Tensor, *values: Tensor) -> Tensor:
        ctx.save_for_backward(backward)
        ctx.dtypes = [value.dtype for value in values]
        parts = [value * weight.to(value.dtype) for value, weight in zip(values, forward, strict=True)]
        total: Tensor = reduce(torch.add, parts)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (weights,) = ctx.saved_tensors
        parts = zip(weights, ctx.dtypes, strict=True)
        return None, None, *((gradient * weight.to(gradient.dtype)).to(dtype) for weight, dtype in parts)
