"""Operations with a kernel: convolution, transposed convolution and the fully connected layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import ClassVar

from pydantic import Field

from archspec.ops.axes import require_map
from archspec.ops.fields import (
    AlongAxes,
    Epsilon,
    Flag,
    Gain,
    NonNegativePerAxis,
    PaddingPerAxis,
    Positive,
    PositivePerAxis,
    along,
    at_axis,
)
from archspec.ops.kernel import Kernel
from archspec.ops.signal.axis import Axis, share_seen, share_sent
from archspec.ops.signal.mixing import RandomKernel, mix, take_mean_off, unmix
from archspec.ops.signal.moments import Gradient, Moments
from archspec.ops.sliding import count_padded, find_stride, find_windows, tell_reach
from archspec.ops.values import Init, Layout, OpError, Saved, Shape, Weights
from archspec.ops.window import Positions, Span, Window
from archspec.wording import write_shape

_EPS = 1e-6
"""The usual number that is added to a variance."""


class Conv(Kernel):
    """Convolution over the one, two or three spatial axes of its input.

    (in, *S) -> (out, *S'), with S' = floor((S + 2 padding - dilation (kernel - 1) - 1) / stride) + 1. Kernel, stride,
    padding and dilation are one number for all axes, or a list with one for each. `padding: same` is dilation
    (kernel - 1) / 2 on both sides, whatever the stride; `causal` is all of that before. `same_end` is TensorFlow's
    SAME: S' = ceil(S / stride), and an odd position of what is missing is padded at the end. `standardize` takes the
    mean off each output's weights and divides them by their deviation (Qiao et al., 2019); with `weight_norm` too,
    their length is learned (Brock et al., 2021).
    """

    newer: ClassVar[frozenset[str]] = frozenset({"standardize", "eps"})

    out: Positive = Field(description="channels of the result")
    kernel: PositivePerAxis = Field(3, description="taps along each spatial axis")
    stride: PositivePerAxis = Field(1, description="positions of the input from one window to the next")
    padding: PaddingPerAxis = Field(
        "same", description="positions of zeros before and after each axis; or a rule for them"
    )
    dilation: PositivePerAxis = Field(1, description="positions from one tap to the next")
    groups: Positive = Field(1, description="groups of channels that are convolved apart")
    bias: Flag = Field(True, description="adds a learned number to each channel of the result")
    init: Init = Field("he", description="rule by which the kernel starts")
    gain: Gain = Field(1.0, description="factor on what the rule draws")
    weight_norm: Flag = Field(False, description="stores the kernel as a direction and lengths")
    standardize: Flag = Field(False, description="makes a kernel of mean 0 and variance 1 for each output")
    eps: Epsilon = Field(_EPS, description="number that is added to the variance of a kernel that is standardized")

    @property
    def stores_kernel(self) -> bool:
        return super().stores_kernel and not self.standardize

    def windows(self, x: Shape) -> tuple[Window, ...]:
        """The window along each spatial axis of x. Raises OpError."""
        return find_windows(x, kernel=self.kernel, stride=self.stride, padding=self.padding, dilation=self.dilation)

    def sums_all_taps(self, x: Shape) -> bool:
        return not any(window.padding for window in self.windows(x))

    def infer(self, x: Shape) -> Shape:
        require_map(self.kind, x)
        _require_groups(self, x)
        self._require_variance(x)
        windows = self.windows(x)
        space = [window.slide(size) for window, size in zip(windows, x.space, strict=True)]
        if min(space) < 1:
            raise OpError(f"a window of {tell_reach(windows)} does not fit into {x}", "kernel")
        return Shape(self.out, *space)

    def _require_variance(self, x: Shape) -> None:
        if not self.standardize:
            if self.eps != _EPS:
                unsaid = f"say `standardize: true`, or `eps: {_EPS:g}`, which says nothing"
                raise OpError(f"eps is added to the variance of a standardized kernel; {unsaid}", "eps")
        elif self._count_terms(x) == 1:
            raise OpError(f"standardize needs several weights for an output, and of {x} each has one", "standardize")

    def _count_made(self, kernel: int) -> int:
        if not self.standardize:
            return super()._count_made(kernel)
        return (3 if self.weight_norm else 2) * self.out  # mean and deviation of each output's, and its factor

    def _count_terms(self, x: Shape) -> int:
        """Count the weights that each output has."""
        return x.channels // self.groups * _area(self.kernel, x)

    def weights(self, x: Shape) -> Weights:
        kernel, fan_in, fan_out = along(self.kernel, x, "kernel"), x.channels // self.groups, self.out // self.groups
        return self._store((self.out, fan_in, *kernel), fan_in * prod(kernel), fan_out * prod(kernel))

    def macs(self, x: Shape) -> int:
        return self.infer(x).elements * self._count_terms(x)

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        saved = super().saved_for_backward(*xs, batch=batch, needs=needs)
        padded = sum(self.partials(*xs))
        return replace(saved, operands=(), values=saved.values + batch * padded) if padded else saved

    def partials(self, *xs: Shape) -> tuple[int, ...]:
        padded = count_padded(self.padding, self.windows(xs[0]), xs[0])
        return (padded,) if padded else ()

    def bias_adds(self, x: Shape) -> int:
        return self.infer(x).elements if self.bias else 0

    def live_taps(self, *xs: Shape) -> tuple[int, ...]:
        return tuple(map(Window.count_live, self.windows(xs[0]), xs[0].space, self.infer(xs[0]).space))

    def stride_fraction(self, axis: int) -> Fraction:
        return find_stride(self.stride, axis)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (self.windows(xs[0])[axis].input_span(span),)

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return layouts[0].by_format(xs[0])

    def is_layout_known(self, layout: Layout, x: Shape) -> bool:
        """False for volumes with channels last: processor, threads and type of numbers decide by which of its kernels
        torch computes them, and some lay them in order."""
        return layout.is_told(x) and not (x.rank == 3 and layout.channels_last)

    def moments(self, x: Moments) -> Moments:
        windows = self.windows(x.shape)
        counts = [window.slide(axis.size) for window, axis in zip(windows, x.axes, strict=True)]
        slid = list(map(Axis.gather, x.axes, windows, counts))
        shared, drawn = prod(map(share_seen, x.axes, windows, counts)), self.draw(x.shape, self.groups)
        if self.standardize:
            x = take_mean_off(x, x.channels // self.groups, self._count_terms(x.shape), self.sums_all_taps(x.shape))
        return mix(drawn, x, slid, shared)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        slid = list(map(Axis.spread, gradient.axes, self.windows(x.shape), x.shape.space))
        return (unmix(self.draw(x.shape, self.groups), gradient, x, slid),)

    def draw(self, x: Shape, groups: int = 1) -> RandomKernel:
        """The distribution; what is standardized has variance 1, or 1 over its number of weights times the square of
        the length that it is given, but for `eps`."""
        drawn = super().draw(x, groups)
        if not self.standardize:
            return drawn
        weights, terms = self.weights(x), self._count_terms(x)
        variance = weights["weight"].deviation ** 2 * (terms - 1) / terms
        square = float(weights["length"].init) ** 2 / terms if self.weight_norm else 1.0
        return drawn._replace(variance=square * variance / (variance + self.eps))


class ConvTranspose(Kernel):
    """Transposed convolution: each input position writes a kernel of outputs.

    (in, *S) -> (out, *S'), with S' = (S - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1. Each of
    these is one number for all axes, or a list with one for each. `output_padding` is smaller than the stride or the
    dilation.
    """

    out: Positive = Field(description="channels of the result")
    kernel: PositivePerAxis = Field(2, description="taps along each spatial axis")
    stride: PositivePerAxis = Field(2, description="positions of the result from one kernel to the next")
    padding: NonNegativePerAxis = Field(0, description="positions cut off before and after each axis of the result")
    output_padding: NonNegativePerAxis = Field(0, description="positions more at the end of each axis")
    dilation: PositivePerAxis = Field(1, description="positions from one tap to the next")
    groups: Positive = Field(1, description="groups of channels that are convolved apart")
    bias: Flag = Field(True, description="adds a learned number to each channel of the result")
    init: Init = Field("he", description="rule by which the kernel starts")
    gain: Gain = Field(1.0, description="factor on what the rule draws")
    weight_norm: Flag = Field(False, description="stores the kernel as a direction and lengths")

    def windows(self, x: Shape) -> tuple[Window, ...]:
        """The window along each spatial axis of x, which slides over the result. Raises OpError."""
        return find_windows(x, kernel=self.kernel, stride=self.stride, padding=self.padding, dilation=self.dilation)

    def sums_all_taps(self, x: Shape) -> bool:
        return all(window.moves_nothing for window in self.windows(x)) and not any(self._grown(x))

    def _grown(self, x: Shape) -> tuple[int, ...]:
        return along(self.output_padding, x, "output_padding")

    def infer(self, x: Shape) -> Shape:
        require_map(self.kind, x)
        _require_groups(self, x)
        pairs = list(zip(self.windows(x), self._grown(x), strict=True))
        if any(more >= max(window.stride, window.dilation) for window, more in pairs):
            raise OpError("output_padding should be smaller than the stride or the dilation", "output_padding")
        space = [
            (size - 1) * window.stride + window.reach + more - window.padding
            for size, (window, more) in zip(x.space, pairs, strict=True)
        ]
        if min(space) < 1:
            padded = write_shape(dict.fromkeys(along(self.padding, x, "padding")))
            raise OpError(f"nothing is left of {x} after a padding of {padded}", "padding")
        return Shape(self.out, *space)

    def weights(self, x: Shape) -> Weights:
        area, overlap = _area(self.kernel, x), _area(self.stride, x)
        shape = (x.channels, self.out // self.groups, *along(self.kernel, x, "kernel"))
        fan_out = prod(shape[1:])
        # An output position is reached by kernel/stride positions along each axis, on average; but torch, for its own
        # rule, takes the kernel of a transposed convolution for that of the convolution it transposes.
        fan_in = fan_out if self.init == "torch" else Fraction(x.channels // self.groups * area, overlap)
        return self._store(shape, fan_in, fan_out)

    def macs(self, x: Shape) -> int:
        return x.elements * (self.out // self.groups) * _area(self.kernel, x)

    def bias_adds(self, x: Shape) -> int:
        return self.infer(x).elements if self.bias else 0

    def live_taps(self, *xs: Shape) -> tuple[int, ...]:
        return tuple(map(Window.count_live, self.windows(xs[0]), self.infer(xs[0]).space, xs[0].space))

    def stride_fraction(self, axis: int) -> Fraction:
        return Fraction(1, at_axis(self.stride, axis))

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (self.windows(xs[0])[axis].output_span(span),)

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return layouts[0].by_format(xs[0])

    def is_layout_known(self, layout: Layout, x: Shape) -> bool:
        """Answer as a convolution does; but some kernels hold a volume in no less than what its operand took."""
        held = layout.channels_last or x.elements > self.infer(x).elements
        return layout.is_told(x) and not (x.rank == 3 and held)

    def moments(self, x: Moments) -> Moments:
        windows, space = self.windows(x.shape), self.infer(x.shape).space
        slid = list(map(Axis.spread, x.axes, windows, space))
        return mix(self.draw(x.shape, self.groups), x, slid, prod(map(share_sent, x.axes, windows, space)))

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        slid = list(map(Axis.gather, gradient.axes, self.windows(x.shape), x.shape.space))
        return (unmix(self.draw(x.shape, self.groups), gradient, x, slid),)


class Linear(Kernel):
    """Fully connected layer: (in) -> (out)."""

    fixes_extents: ClassVar[bool] = True

    out: Positive = Field(description="channels of the result")
    bias: Flag = Field(True, description="adds a learned number to each channel of the result")
    init: Init = Field("he", description="rule by which the kernel starts")
    gain: Gain = Field(1.0, description="factor on what the rule draws")
    weight_norm: Flag = Field(False, description="stores the kernel as a direction and lengths")

    def infer(self, x: Shape) -> Shape:
        if x.rank != 0:
            raise OpError(
                f"linear needs a vector, found {x}; put `flatten` before it, or say "
                f"`conv: {{out: {self.out}, kernel: 1}}` for a linear layer at each position"
            )
        return Shape(self.out)

    def weights(self, x: Shape) -> Weights:
        return self._store((self.out, x.channels), x.channels, self.out)

    def macs(self, x: Shape) -> int:
        return x.channels * self.out

    def bias_adds(self, x: Shape) -> int:
        return self.out if self.bias else 0

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return self._save(xs[0], kernel_needed=needs[0])

    def moments(self, x: Moments) -> Moments:
        return mix(self.draw(x.shape), x, [], 1.0)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (unmix(self.draw(x.shape), gradient, x, []),)


def _area(edges: AlongAxes[int], x: Shape) -> int:
    """Count the positions in a window with this edge along each spatial axis, or with these."""
    return prod(edges) if isinstance(edges, tuple) else edges**x.rank


def _require_groups(op: Conv | ConvTranspose, x: Shape) -> None:
    if op.groups == 1:
        return
    for channels, side in ((x.channels, "input"), (op.out, "output")):
        if channels % op.groups != 0:
            raise OpError(f"groups: {op.groups} does not divide the {channels} {side} channels", "groups")
