"""The ways into windows and out of them: a map is padded to whole windows and rolled, and rolled back and cut."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import ClassVar

from pydantic import Field

from archspec.ops.axes import require_map
from archspec.ops.base import Family, Op
from archspec.ops.bounds import ZERO, Bounds
from archspec.ops.fields import NonNegativePerAxis, PositivePerAxis, along
from archspec.ops.signal.axis import Axis
from archspec.ops.signal.moments import Gradient, Moments
from archspec.ops.values import Layout, OpError, Shape
from archspec.ops.window import Positions, Span, run


class Windowed(Op):
    """A way between maps and windows of `size`; a map is rolled by `shift` along each axis that has several."""

    family: ClassVar[Family] = "resize"
    odd: ClassVar[bool] = True
    keeps_zeros: ClassVar[bool] = True

    size: PositivePerAxis = Field(description="extent of a window along each axis")
    shift: NonNegativePerAxis = Field(0, description="positions by which the map is rolled before it is cut")

    def pad(self, x: Shape) -> Shape:
        """The shape with extents that are whole windows."""
        require_map("windows", x)
        sizes, shifts = along(self.size, x, "size"), along(self.shift, x, "shift")
        for size, shift in zip(sizes, shifts, strict=True):
            if shift >= size:
                raise OpError(f"shift: {shift} should be below the window's size, {size}", "shift")
        return Shape(x.channels, *(-(-extent // size) * size for extent, size in zip(x.space, sizes, strict=True)))

    def shifts(self, x: Shape) -> tuple[int, ...]:
        """The positions by which a map is rolled along each axis: none where there is one window."""
        rows = zip(along(self.shift, x, "shift"), along(self.size, x, "size"), x.space, strict=True)
        return tuple(shift if extent > size else 0 for shift, size, extent in rows)

    def is_idle(self, x: Shape, *others: Shape) -> bool:
        """True if maps of these extents are neither padded nor cut nor rolled."""
        return self.infer(x, *others) == x and not any(self.shifts(x))

    def is_view(self, *xs: Shape, training: bool) -> bool:
        return self.is_idle(*xs)

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout()


class EnterWindows(Windowed):
    """Zeros at the ends until each axis has whole windows, and a roll by `shift` towards the start."""

    def infer(self, x: Shape) -> Shape:
        return self.pad(x)

    def bound(self, x: Bounds) -> Bounds:
        return x.hull(ZERO)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        shift = self.shifts(xs[0])[axis]
        return (run((span[0] + shift, span[1] + shift)),)

    def moments(self, x: Moments) -> Moments:
        factor, axes = _place(x.axes, self.pad(x.shape).space, self.shifts(x.shape))
        mean = x.positions / prod(self.pad(x.shape).space)
        return x.times(mean, factor, factor, axes=axes)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        factor, axes = _take(gradient.axes, x.shape.space, self.shifts(x.shape))
        return (gradient.times(factor, axes=axes),)


class LeaveWindows(Windowed):
    """A roll by `shift` back, and the extents of the second operand: the zeros at the ends are cut off."""

    arity: ClassVar[int | None] = 2
    data_inputs: ClassVar[int | None] = 1
    passes_terms: ClassVar[bool] = True

    def infer(self, x: Shape, like: Shape) -> Shape:
        whole = self.pad(like)
        if x.space != whole.space:
            raise OpError(f"windows of {like} leave {Shape(x.channels, *whole.space)}, found {x}")
        return Shape(x.channels, *like.space)

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        return True

    def bound(self, *xs: Bounds) -> Bounds:
        return xs[0]

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        shift = self.shifts(xs[0])[axis]
        return (run((span[0] - shift, span[1] - shift)), None)

    def moments(self, x: Moments, like: Moments) -> Moments:
        factor, axes = _take(x.axes, like.shape.space, self.shifts(x.shape))
        return x.times(1.0, factor, factor, axes=axes)

    def gradients(self, gradient: Gradient, x: Moments, like: Moments) -> tuple[Gradient, ...]:
        factor, axes = _place(gradient.axes, x.shape.space, self.shifts(x.shape))
        return (gradient.times(factor, axes=axes),)


def _place(axes: Sequence[Axis], space: Sequence[int], shifts: Sequence[int]) -> tuple[float, tuple[Axis, ...]]:
    """The spread with zeros at the ends, rolled towards the start; and what is left of the mean."""
    cut = [axis.cut(0, extent) for axis, extent in zip(axes, space, strict=True)]
    rolled = tuple([_roll(axis, shift) for (_, axis), shift in zip(cut, shifts, strict=True)])
    return prod([factor for factor, _ in cut]), rolled


def _take(axes: Sequence[Axis], space: Sequence[int], shifts: Sequence[int]) -> tuple[float, tuple[Axis, ...]]:
    """The reverse: rolled back, and without the ends."""
    rolled = [_roll(axis, -shift) for axis, shift in zip(axes, shifts, strict=True)]
    cut = [axis.cut(0, extent) for axis, extent in zip(rolled, space, strict=True)]
    return prod([factor for factor, _ in cut]), tuple([axis for _, axis in cut])


def _roll(axis: Axis, shift: int) -> Axis:
    if axis.profile is None or not shift:
        return axis
    return Axis(axis.size, axis.profile[shift:] + axis.profile[:shift], axis.exact)
