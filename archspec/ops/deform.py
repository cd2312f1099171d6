"""Convolution whose taps are moved by values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import ClassVar

from pydantic import Field

from archspec.ops.fields import Flag, Gain, PaddingPerAxis, Positive, PositivePerAxis, along, at_axis
from archspec.ops.kernel import Kernel
from archspec.ops.sliding import find_windows, pads_by_size, tell_reach
from archspec.ops.values import ONE, Init, Layout, OpError, Saved, Shape, Weights
from archspec.ops.window import Positions, Span, Window, run

PER_PLACE = 10
"""The operations that find the place of a tap: a sum, a fraction and its complement along each axis, and the four
products that weigh the neighbours."""

PER_SAMPLE = 7
"""The operations for each number that is taken between four others: four products and three sums."""


class DeformConv(Kernel):
    """Convolution of maps whose taps stand where another value says (Dai et al., 2017; with a mask, Zhu et al., 2019).

    (in, H, W), (2 offset_groups k, H', W') -> (out, H', W'), with k taps and the extents of a convolution with these
    fields. Each tap of each group of input channels takes the number at its own place plus an offset, between four
    positions linearly, and zero beyond the ends. The offset's channels are, group by group and tap by tap, one down and
    one to the right; a mask (offset_groups k, H', W') multiplies what each tap takes. This is the order of torchvision
    and ONNX.
    """

    main: ClassVar[str | None] = None
    arity: ClassVar[int | None] = None
    roles: ClassVar[tuple[str, ...]] = ("input", "offset", "mask")

    out: Positive = Field(description="channels of the result")
    kernel: PositivePerAxis = Field(3, description="taps along each spatial axis")
    stride: PositivePerAxis = Field(1, description="positions of the input from one window to the next")
    padding: PaddingPerAxis = Field(
        "same", description="positions of zeros before and after each axis; or a rule for them"
    )
    dilation: PositivePerAxis = Field(1, description="positions from one tap to the next, before they are moved")
    groups: Positive = Field(1, description="groups of channels that are convolved apart")
    offset_groups: Positive = Field(1, description="groups of input channels whose taps move together")
    bias: Flag = Field(True, description="adds a learned number to each channel of the result")
    init: Init = Field("he", description="rule by which the kernel starts")
    gain: Gain = Field(1.0, description="factor on what the rule draws")
    weight_norm: Flag = Field(False, description="stores the kernel as a direction and lengths")

    def gated_by(self, shares: Sequence[bool]) -> frozenset[int]:
        """Offset and mask, which choose and weigh what is taken of the input."""
        return frozenset(range(1, len(shares)))

    def sums_all_taps(self, x: Shape) -> bool:
        """False: a tap may be moved beyond the ends, and a mask weighs it."""
        return False

    def windows(self, x: Shape) -> tuple[Window, ...]:
        """The window along each spatial axis of x, its taps where no offset moves them. Raises OpError."""
        return find_windows(x, kernel=self.kernel, stride=self.stride, padding=self.padding, dilation=self.dilation)

    def taps(self, x: Shape) -> int:
        return prod(along(self.kernel, x, "kernel"))

    def infer(self, x: Shape, *given: Shape) -> Shape:
        """The result's shape, which follows from x; `given` are the offsets and the mask, if there is one."""
        if x.rank != 2:
            raise OpError(f"deform_conv needs a map with two spatial axes, as ONNX and torchvision do; found {x}")
        self._require_groups(x)
        windows = self.windows(x)
        if pads_by_size(self.padding, windows):
            raise OpError("padding: same_end with a stride depends on the extents; put a `pad` before it", "padding")
        space = [window.slide(size) for window, size in zip(windows, x.space, strict=True)]
        if min(space) < 1:
            raise OpError(f"a window of {tell_reach(windows)} does not fit into {x}", "kernel")
        self._check_given(x, space, given)
        return Shape(self.out, *space)

    def _require_groups(self, x: Shape) -> None:
        counts = (
            (x.channels, "groups", "input"),
            (self.out, "groups", "output"),
            (x.channels, "offset_groups", "input"),
        )
        for channels, field, side in counts:
            if channels % getattr(self, field):
                message = f"{field}: {getattr(self, field)} does not divide the {channels} {side} channels"
                raise OpError(f"{message}; give a divisor of {channels}", field)

    def _check_given(self, x: Shape, space: Sequence[int], given: Sequence[Shape]) -> None:
        """Raise OpError where an offset or a mask has not as many channels as it takes, or other extents."""
        places = self.offset_groups * self.taps(x)
        for found, name, count in zip(given, ("offset", "mask"), (2 * places, places), strict=False):
            if found != (count, *space):
                of = "offset_groups × taps × 2 channels" if name == "offset" else "offset_groups × taps channels"
                message = f"the {name} should be {Shape(count, *space)}, {of} at the result's positions, found {found}"
                raise OpError(message, name)

    def weights(self, x: Shape, *given: Shape) -> Weights:
        kernel, fan_in, fan_out = along(self.kernel, x, "kernel"), x.channels // self.groups, self.out // self.groups
        return self._store((self.out, fan_in, *kernel), fan_in * prod(kernel), fan_out * prod(kernel))

    def macs(self, x: Shape, *given: Shape) -> int:
        return self.infer(x).elements * x.channels // self.groups * self.taps(x)

    def bias_adds(self, x: Shape, *given: Shape) -> int:
        return self.infer(x).elements if self.bias else 0

    def elementwise(self, x: Shape, *given: Shape) -> int:
        """Count what finds the place of each tap, what takes the number of each channel there, and the mask's
        products."""
        taps = self.taps(x) * prod(self.infer(x).space)
        return taps * (PER_PLACE * self.offset_groups + (PER_SAMPLE + (len(given) > 1)) * x.channels)

    def stride_fraction(self, axis: int) -> Fraction:
        return Fraction(at_axis(self.stride, axis))

    def pace(self, axis: int, *xs: Shape) -> Fraction:
        """One: the result has its place in the offsets, and sees the whole map."""
        return ONE

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        """The whole map, since offsets have no bound, and the offset and the mask of the position itself."""
        return (None, *(run(span) for _ in xs[1:]))

    def is_view(self, x: Shape, *given: Shape, training: bool) -> bool:
        return False

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout()

    def straightens(self, layout: Layout, x: Shape) -> bool:
        return layout.channels_last and self.offset_groups > 1

    def is_measured(self, *xs: Shape) -> bool:
        """False: in mixed precision torch samples in four bytes, from copies of what has two."""
        return False

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The numbers that the taps take, behind the mask; the map and the places, where one of them wants a gradient;
        and of the product with a mask each factor for the other."""
        x, places = xs[0], batch * self.taps(xs[0]) * prod(self.infer(xs[0]).space)
        sampled, masked = any(needs[:2]), any(needs[2:])
        full = 2 * self.offset_groups * places * sampled + x.channels * places * masked
        operands = (0, 2)[: len(xs) - 1] if sampled else ()
        saved = super().saved_for_backward(*xs, batch=batch, needs=needs)
        return replace(saved, operands=operands, values=saved.values + x.channels * places, full=saved.full + full)
