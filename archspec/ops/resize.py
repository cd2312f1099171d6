"""Operations that give a map another number of positions, and compute the values there: by a scale, or to the extents
of another value."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor, inf, prod
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from archspec.ops.axes import require_map
from archspec.ops.base import Family, Gating, Layer, Op
from archspec.ops.bounds import UNKNOWN, Bounds
from archspec.ops.fields import MAX_SCALE_PARTS, ScalePerAxis, along, at_axis
from archspec.ops.sampling import OVERSHOOT, TAPS, AxisSampling, Corners, Mode
from archspec.ops.signal.moments import WINDOW, Gradient, Moments
from archspec.ops.values import Layout, OpError, Shape
from archspec.ops.window import Positions, Span

MODE = "the way to compute values between positions"
CORNERS = "half: the whole lengths lie on each other; aligned: the first and the last positions do"


class Resampling(Op):
    """Computes its first operand at other positions, along each spatial axis by itself."""

    family: ClassVar[Family] = "resize"
    odd: ClassVar[bool] = True
    gating: ClassVar[Gating] = "passes"
    keeps_zeros: ClassVar[bool] = True
    passes_terms: ClassVar[bool] = True

    newer: ClassVar[frozenset[str]] = frozenset({"corners"})

    if TYPE_CHECKING:  # each class has these two in an order of its own
        mode: Mode
        corners: Corners

    @abstractmethod
    def sampling(self, axis: int, *xs: Shape) -> AxisSampling:
        """The sampling along a spatial axis from 0."""

    def require_rank(self, x: Shape) -> None:
        """Refuse a map of other axes than the mode has. Raises OpError."""
        require_map(self.kind, x)
        if self.mode == "cubic" and x.rank != 2:
            raise OpError(f"mode: cubic needs two spatial axes, found the shape {x}; linear takes one to three", "mode")
        if self.mode == "nearest" and self.corners == "aligned":
            raise OpError("corners: aligned is for mode: linear and cubic; nearest repeats positions", "corners")

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        return True

    def bound(self, x: Bounds, *others: Bounds) -> Bounds:
        """The operand's bounds; a cubic kernel has negative weights, and goes beyond."""
        if self.mode != "cubic":
            return x
        middle, reach = (x.low + x.high) / 2, OVERSHOOT**2 * (x.high - x.low) / 2
        return Bounds(middle - reach, middle + reach) if reach < inf else UNKNOWN

    def elementwise(self, *xs: Shape) -> int:
        return 0 if self.mode == "nearest" else self.infer(*xs).elements * TAPS[self.mode] ** xs[0].rank

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return layouts[0].by_format(xs[0])

    def pace(self, axis: int, *xs: Shape) -> Fraction:
        return self.sampling(axis, *xs).step or super().pace(axis, *xs)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (self.sampling(axis, *xs).input_span(span), *[None] * (len(xs) - 1))

    def moments(self, x: Moments, *others: Moments) -> Moments:
        """The moments of means; what samples have in common is in every term."""
        samplings = self._list_samplings(x, *others)
        square = prod(one.square for one in samplings)
        gathered = [one.gather(axis) for one, axis in zip(samplings, x.axes, strict=True)]
        factor = prod(mean for mean, _ in gathered)
        return x.before_averaging().each(
            lambda part: part._replace(second=factor * (part.common + square * (part.second - part.common))),
            axes=tuple(axis for _, axis in gathered),
            doubts=x.doubts if square == factor == 1 else x.doubts | WINDOW,
        )

    def gradients(self, gradient: Gradient, x: Moments, *others: Moments) -> tuple[Gradient, ...]:
        """The gradients: sums over the copies, taken as independent."""
        samplings = self._list_samplings(x, *others)
        spread = [one.spread(axis) for one, axis in zip(samplings, gradient.axes, strict=True)]
        gain = prod(one.square * mean for one, (mean, _) in zip(samplings, spread, strict=True))
        axes = tuple(axis for _, axis in spread)
        return (gradient.times(gain, axes=axes, doubts=gradient.doubts | WINDOW),)

    def _list_samplings(self, *xs: Moments) -> list[AxisSampling]:
        shapes = [x.shape for x in xs]
        return [self.sampling(axis, *shapes) for axis in range(shapes[0].rank)]


class Upsample(Resampling, Layer):
    """Gives each spatial axis ⌊S · scale⌋ positions for its S: by repeating values, or as means of the nearest two
    (`linear`) or four (`cubic`).

    The new positions are spread over the whole length of the old ones (`corners: half`), or from the first of them to
    the last (`aligned`). A scale is a whole number or a fraction, such as 3 / 2; a list
    has one for each axis."""

    main: ClassVar[str | None] = "scale"

    scale: ScalePerAxis = Field(2, description="new positions for each old one, such as 2 or 3 / 2")
    mode: Mode = Field("nearest", description=MODE)
    corners: Corners = Field("half", description=CORNERS)

    def changes_nothing(self, *xs: Shape) -> str:
        return "it enlarges by one" if set(along(self.scale, xs[0], "scale")) == {1} else ""

    def infer(self, x: Shape) -> Shape:
        self.require_rank(x)
        scales = along(self.scale, x, "scale")
        space = [self._scale(size, read_scale(scale)) for size, scale in zip(x.space, scales, strict=True)]
        return Shape(x.channels, *space)

    def _scale(self, size: int, scale: Fraction) -> int:
        """Scale an extent. Where rounding down leaves what there was, torch copies it, and ONNX does not."""
        new = floor(size * scale)
        if new < 1 or (self.corners == "half" and new == size and scale > 1):
            least = ceil(1 / (scale - 1) if scale > 1 else 1 / scale)
            raise OpError(f"scale: {scale} needs at least {least} positions along an axis, found {size}", "scale")
        return new

    def stride_fraction(self, axis: int) -> Fraction:
        return 1 / read_scale(at_axis(self.scale, axis))

    def sampling(self, axis: int, *xs: Shape) -> AxisSampling:
        old, new = xs[0].space[axis], self.infer(*xs).space[axis]
        return AxisSampling.make(self.mode, self.corners, old, new, read_scale(at_axis(self.scale, axis)))


def read_scale(scale: float) -> Fraction:
    """The fraction that a scale stands for."""
    return Fraction(scale).limit_denominator(MAX_SCALE_PARTS)


class Resize(Resampling):
    """Gives its first operand the spatial extents of the second."""

    arity: ClassVar[int | None] = 2
    data_inputs: ClassVar[int | None] = 1
    fits_extents: ClassVar[bool] = True

    mode: Mode = Field("nearest", description=MODE)
    corners: Corners = Field("half", description=CORNERS)

    def infer(self, x: Shape, like: Shape) -> Shape:
        self.require_rank(x)
        if x.rank != like.rank:
            raise OpError(f"cannot resize {x} to the extents of {like}: they differ in axes")
        return Shape(x.channels, *like.space)

    def sampling(self, axis: int, *xs: Shape) -> AxisSampling:
        x, like = xs
        return AxisSampling.make(self.mode, self.corners, x.space[axis], like.space[axis])
