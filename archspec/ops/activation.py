"""Activations: one value in, one of the same shape out, position by position."""

from __future__ import annotations

from typing import ClassVar, Literal

from archspec.ops.base import Number, Pointwise, Shape, Weight, Weights


class Relu(Pointwise):
    """max(0, x)."""


class Relu6(Pointwise):
    """min(max(0, x), 6)."""


class LeakyRelu(Pointwise):
    """x above zero, slope · x below."""

    main: ClassVar[str | None] = "slope"

    slope: Number = 0.01


class Prelu(Pointwise):
    """x above zero, a learned slope for each channel below; the slopes start at `start`."""

    main: ClassVar[str | None] = "start"

    start: Number = 0.25

    def weights(self, x: Shape) -> Weights:
        return {"weight": Weight((x.channels,), self.start)}


class Elu(Pointwise):
    """x above zero, alpha (exp(x) - 1) below."""

    main: ClassVar[str | None] = "alpha"

    alpha: Number = 1.0


class Gelu(Pointwise):
    """x Φ(x), exactly or by the tanh formula (Hendrycks and Gimpel, 2016)."""

    approximate: Literal["none", "tanh"] = "none"


class Silu(Pointwise):
    """x sigmoid(x)."""


class Sigmoid(Pointwise):
    """1 / (1 + exp(-x))."""


class HardSigmoid(Pointwise):
    """min(max(0, x + 3), 6) / 6."""


class HardSwish(Pointwise):
    """x hard_sigmoid(x)."""


class Tanh(Pointwise):
    """tanh(x)."""


class Softplus(Pointwise):
    """log(1 + exp(x))."""


class Softmax(Pointwise):
    """exp(x) over its sum along the channels, at each position."""
