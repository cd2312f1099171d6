"""Activations: one value in, one of the same shape out, position by position."""

from __future__ import annotations

from typing import ClassVar, Literal

from archspec.ops.base import Number, Pointwise, Shape, Weight, Weights


class Activation(Pointwise):
    """A function of each value, or of the values of all channels at a position."""


class Relu(Activation):
    """max(0, x)."""


class Relu6(Activation):
    """min(max(0, x), 6)."""


class LeakyRelu(Activation):
    """x above zero, slope · x below."""

    main: ClassVar[str | None] = "slope"

    slope: Number = 0.01


class Prelu(Activation):
    """x above zero, a learned slope for each channel below; the slopes start at `start`."""

    main: ClassVar[str | None] = "start"

    start: Number = 0.25

    def weights(self, x: Shape) -> Weights:
        return {"weight": Weight((x.channels,), self.start)}


class Elu(Activation):
    """x above zero, alpha (exp(x) - 1) below."""

    main: ClassVar[str | None] = "alpha"

    alpha: Number = 1.0


class Gelu(Activation):
    """x Φ(x), exactly or by the tanh formula (Hendrycks and Gimpel, 2016)."""

    approximate: Literal["none", "tanh"] = "none"


class Silu(Activation):
    """x sigmoid(x)."""


class Sigmoid(Activation):
    """1 / (1 + exp(-x))."""


class HardSigmoid(Activation):
    """min(max(0, x + 3), 6) / 6."""


class HardSwish(Activation):
    """x hard_sigmoid(x)."""


class Tanh(Activation):
    """tanh(x)."""


class Softplus(Activation):
    """log(1 + exp(x))."""


class Softmax(Activation):
    """exp(x) over its sum along the channels, at each position."""
