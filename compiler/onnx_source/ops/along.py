"""Operations along whole axes: reductions, softmax, normalizations."""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar

from archspec.ops import Bounds, Positions, Shape, Span, Weight, Weights
from archspec.ops.bounds import NEGATIVE, SHARE
from archspec.ops.values import Saves
from archspec.ops.window import run
from compiler.onnx_source.ops.foreign import Dims, Foreign


class Along(Foreign):
    """An operation along whole axes, counted from 0 for the channels."""

    function: str
    axes: Dims

    @property
    def own(self) -> dict[str, Any]:
        return _tell_axes(self.axes, self.gives)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        in_place = all(len(x) == len(self.gives) for x in xs) and axis + 1 not in self.axes
        return tuple(run(span) if in_place else None for _ in xs)


class ReduceAxes(Along):
    """The reduction of all numbers along some axes to one: their sum, mean, largest, …"""

    saves: ClassVar[Saves] = "operands"

    @property
    def own(self) -> dict[str, Any]:
        return {}

    def elementwise(self, *xs: Shape) -> int:
        return sum(x.elements for x in xs)


class SoftmaxAlong(Along):
    """Softmax, exp(x) over its sum along an axis, or its logarithm."""

    saves: ClassVar[Saves] = "result"

    def bound(self, *xs: Bounds) -> Bounds:
        return SHARE if self.function == "softmax" else NEGATIVE


class NormalizeAlong(Along):
    """Sets mean and variance, or the norm, along some axes."""

    saves: ClassVar[Saves] = "operands"


class NormalizeChannels(Along):
    """Sets mean and variance over some axes, or takes those that are stored; then scales and shifts each channel."""

    saves: ClassVar[Saves] = "operands"

    channels: int
    kept: bool
    """True if the statistics are stored."""

    def weights(self, *xs: Shape) -> Weights:
        own, kept = Weight((self.channels,), 1.0), Weight((self.channels,), 0.0, trainable=False, buffer=True)
        statistics = {"running_mean": kept, "running_var": kept} if self.kept else {}
        return {"weight": own, "bias": own} | statistics

    def elementwise(self, *xs: Shape) -> int:
        return (2 if self.kept else 7) * prod(self.gives)


def _tell_axes(axes: Dims, shape: Dims) -> dict[str, Any]:
    """Tell the axes, counted from the last, which is the usual one and goes without saying: so they are in the file's
    counting too, that has the batch in front."""
    counted = [axis - len(shape) for axis in axes]
    return {} if counted == [-1] else {"axes": ", ".join(map(str, counted))}
