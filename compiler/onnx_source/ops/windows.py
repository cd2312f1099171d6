"""Operations of ONNX that slide a window over maps, or read them at other positions, in ways that no word of the
language says."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor, prod
from typing import Any, ClassVar, Literal

from archspec.ops import Conv, ConvTranspose, Positions, Saved, Shape, Span, Weights, Window
from archspec.ops.values import ONE, Saves
from archspec.ops.window import Fill, run
from archspec.wording import write_shape
from compiler.onnx_source.ops.foreign import Dims, Foreign, kernel_and_bias


class Sliding(Foreign):
    """A window of its own extent, stride, padding and dilation along each of the last axes.

    Before them lie the channels; and before these, where the first axis of the file is not the batch, copies of all.
    """

    keeps_size: ClassVar[bool] = False
    """True if the padding that goes without saying is the one that keeps the extents; else it is none."""

    kernel: Dims
    strides: Dims
    begins: Dims
    dilations: Dims

    @property
    def own(self) -> dict[str, Any]:
        usual = all(2 * w.before == (w.reach - 1 if self.keeps_size else 0) for w in self.windows)
        facts = {"kernel": _across(self.kernel)}
        facts |= {} if self.keeps_size and max(self.strides) == 1 else {"stride": _across(self.strides)}
        facts |= {} if usual else {"padding": _across(self.begins)}
        return facts | ({"dilation": _across(self.dilations)} if max(self.dilations) > 1 else {})

    @property
    def windows(self) -> list[Window]:
        """The windows, one for each of the last axes, with the padding before it."""
        rows = zip(self.kernel, self.strides, self.begins, self.dilations, strict=True)
        return [Window(kernel, stride, begin, dilation=dilation) for kernel, stride, begin, dilation in rows]

    @property
    def first(self) -> int:
        """The axis of the first window, counted from 0 behind the first of the value."""
        return len(self.gives) - 1 - len(self.kernel)

    def window(self, axis: int) -> Window | None:
        """Return the window along an axis; none along those of channels and copies."""
        return self.windows[axis - self.first] if axis >= self.first else None

    def stride_fraction(self, axis: int) -> Fraction:
        window = self.window(axis)
        return Fraction(window.stride) if window else ONE

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        window = self.window(axis)
        return (window.input_span(span) if window else self.input_span_beside(axis, span),)

    def input_span_beside(self, axis: int, span: Span) -> Positions | None:
        """Give the positions that are read along an axis without a window."""
        return run(span)


class Pool(Sliding):
    """The largest value, the mean or the norm of each window of each channel."""

    saves: ClassVar[Saves] = "operands"

    function: str

    @property
    def word(self) -> str:
        return f"{self.function.replace('average', 'avg')}_pool"

    def elementwise(self, *xs: Shape) -> int:
        return prod(self.gives) * prod(self.kernel)

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved((0,), indices=batch * prod(self.gives) if self.function == "max" else 0)


class Convolution(Sliding):
    """Convolution with any window and a stored kernel of the shape `weight`, (out, in / groups, *window)."""

    saves: ClassVar[Saves] = "operands"
    has_kernel: ClassVar[bool] = True

    main: ClassVar[str | None] = "out"
    called: ClassVar[str] = Conv.kind
    keeps_size: ClassVar[bool] = True

    weight: Dims
    out: int
    groups: int = 1
    bias: bool

    @property
    def own(self) -> dict[str, Any]:
        return {"out": self.out, **super().own, **({"groups": self.groups} if self.groups > 1 else {})}

    def input_span_beside(self, axis: int, span: Span) -> Positions | None:
        return None if axis == self.first - 1 else run(span)

    def live_taps(self, *xs: Shape) -> tuple[int, ...]:
        return _count_live(self.windows, xs[0], self.gives)

    def weights(self, *xs: Shape) -> Weights:
        return kernel_and_bias(self.weight, self.out, self.bias)

    def macs(self, *xs: Shape) -> int:
        return prod(self.gives) * prod(self.weight[1:])

    def bias_adds(self, *xs: Shape) -> int:
        return prod(self.gives) if self.bias else 0

    def elementwise(self, *xs: Shape) -> int:
        return 0


class TransposedConvolution(Convolution):
    """Transposed convolution with any window and a stored kernel of the shape (in, out / groups, *window)."""

    called: ClassVar[str] = ConvTranspose.kind
    keeps_size: ClassVar[bool] = False

    def stride_fraction(self, axis: int) -> Fraction:
        window = self.window(axis)
        return Fraction(1, window.stride) if window else ONE

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        window = self.window(axis)
        return (window.output_span(span) if window else self.input_span_beside(axis, span),)

    def live_taps(self, *xs: Shape) -> tuple[int, ...]:
        return _count_live(self.windows, self.gives, xs[0])

    def macs(self, *xs: Shape) -> int:
        return xs[0].elements * prod(self.weight[1:])


class Resample(Foreign):
    """Another number of positions along each of the last axes.

    Position i of the result lies at a·i + b among those of the operand, along each axis with its own a and b, `steps`
    and `offsets`. It is computed from `taps`: the one before and the one after, or more, or the nearest (`rounding`).
    """

    main: ClassVar[str | None] = "function"
    called: ClassVar[str] = "resize"
    tells: ClassVar[tuple[str, ...]] = ("function",)

    function: str
    steps: tuple[Fraction, ...]
    offsets: tuple[Fraction, ...]
    taps: int = 1
    """The number of positions on each side; 0 for the nearest alone."""
    spreads: tuple[Fraction, ...] = ()
    """The factor by which antialiasing spreads the taps, along each axis."""
    rounding: Literal["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"] = "floor"

    def stride_fraction(self, axis: int) -> Fraction:
        return self._find_step(axis)[0] or ONE

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        step, _ = self._find_step(axis)
        if not step:  # all are copies of the one position
            return (None,)
        if axis < self._first:
            return (run(span),)
        if step <= 1 and self.taps < 2:  # what neighbours read touches
            (first, _), (_, last) = (self._find_taps(axis, position) for position in span)
            return (run((first, last)),)
        taps = (self._find_taps(axis, position) for position in range(span[0], span[1] + 1))
        return ((range(first, last + 1) for first, last in taps),)

    @property
    def beyond(self) -> Fill:
        return "edge"

    def _find_taps(self, axis: int, position: int) -> Span:
        step, offset = self._find_step(axis)
        place = position * step + offset
        if not self.taps:
            return (self._nearest(place),) * 2
        spread = self.spreads[axis - self._first] if self.spreads else 1
        if place == floor(place) and spread == 1:
            return (floor(place),) * 2
        reach = self.taps * spread
        return floor(place - reach) + 1, ceil(place + reach) - 1

    @property
    def _first(self) -> int:
        """The first axis with other positions, counted from 0 behind the first of the value."""
        return len(self.gives) - 1 - len(self.steps)

    def _find_step(self, axis: int) -> tuple[Fraction, Fraction]:
        place = axis - self._first
        return (self.steps[place], self.offsets[place]) if place >= 0 else (ONE, Fraction(0))

    def _nearest(self, place: Fraction) -> int:
        half = Fraction(1, 2)
        match self.rounding:
            case "floor":
                return floor(place)
            case "ceil":
                return ceil(place)
            case "round_prefer_floor":
                return ceil(place - half)
            case _:
                return floor(place + half)


def _count_live(windows: Sequence[Window], sizes: Sequence[int], counts: Sequence[int]) -> tuple[int, ...]:
    """Count, by window, the taps that meet a value; the extents are those of whole values."""
    last = slice(-len(windows), None)
    pairs = zip(windows, sizes[last], counts[last], strict=True)
    return tuple(window.count_live(size, count) for window, size, count in pairs)


def _across(extents: Dims) -> int | str:
    """The number along all axes, as the language says it, or `1×7`."""
    return extents[0] if len({*extents}) == 1 else write_shape(extents)
