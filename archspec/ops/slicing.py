"""Operations that take positions of one axis, or move them along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import ClassVar

from pydantic import Field

from archspec.ops.axes import find_axis, name_places, resolve_axis
from archspec.ops.base import Family, Gating, Layer
from archspec.ops.bounds import Bounds
from archspec.ops.fields import Positive, Whole, WholePerAxis, along, at_axis
from archspec.ops.signal.moments import Gradient, Moments
from archspec.ops.signal.moving import give_channels, give_positions, roll_positions, take_channels, take_positions
from archspec.ops.values import ONE, Layout, OpError, Shape
from archspec.ops.window import Fill, Positions, Span, run


class Slice(Layer):
    """Takes the channels, or the positions along one axis, from `start` up to `stop` and without it: all of them, or
    every `step`-th. Negative numbers count from the end."""

    family: ClassVar[Family] = "resize"
    gating: ClassVar[Gating] = "passes"
    odd: ClassVar[bool] = True
    passes_terms: ClassVar[bool] = True

    axis: Whole = Field(0, description="0 for the channels, from 1 for the axes of space, -1 for the last")
    start: Whole = Field(0, description="first that is taken; negative, counted from the end")
    stop: Whole | None = Field(None, description="first behind those that are taken; all to the end unless given")
    step: Positive = Field(1, description="distance from one that is taken to the next")

    @property
    def keeps_zeros(self) -> bool:
        return self._keeps_channels

    @property
    def _keeps_channels(self) -> bool:
        """True if it surely takes positions and no channels: an axis from the end may be either."""
        return self.axis > 0

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        return self._keeps_channels

    def bound(self, x: Bounds) -> Bounds:
        return x

    def changes_nothing(self, *xs: Shape) -> str:
        fixed = self.axis == 0 and xs[0].rank > 0  # any other extent may be larger at other sizes
        everything = (self.start, self.stop, self.step) == (0, None, 1) or (fixed and self.infer(*xs) == xs[0])
        return "it takes all" if everything else ""

    def resolve_axes(self, x: Shape) -> Slice:
        axis = resolve_axis(self.axis, x)
        return self if axis == self.axis else self.model_copy(update={"axis": axis})

    def take(self, x: Shape) -> tuple[int, range]:
        """Find the axis, and what is taken along it. Raises OpError where that is nothing, or lies outside."""
        axis = find_axis(self.axis, x, self.kind)
        start = self._resolve("start", self.start, axis, x)
        stop = x[axis] if self.stop is None else self._resolve("stop", self.stop, axis, x)
        if start >= stop:
            end = "the end" if self.stop is None else f"{self.stop}"
            found = f"from {self.start} to {end} there is none of {name_places(axis, x)}"
            raise OpError(f"{found}; slice needs one at least", "start" if self.stop is None else "stop")
        return axis, range(start, stop, self.step)

    def _resolve(self, field: str, end: int, axis: int, x: Shape) -> int:
        if not -x[axis] <= end <= x[axis]:
            raise OpError(f"slice has {field}: {end}, outside {name_places(axis, x)}", field)
        return end + x[axis] if end < 0 else end

    def infer(self, x: Shape) -> Shape:
        axis, taken = self.take(x)
        return Shape(*x[:axis], len(taken), *x[axis + 1 :])

    def stride_fraction(self, axis: int) -> Fraction:
        return Fraction(self.step) if self.axis == axis + 1 else ONE

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        taken_along, taken = self.take(xs[0])
        start, step = (taken.start, self.step) if taken_along == axis + 1 else (0, 1)
        return ((range(start + span[0] * step, start + span[1] * step + 1, step),),)

    def is_view(self, x: Shape, *, training: bool) -> bool:
        return True

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        """The layout of a view: it has no gaps where nothing lies outside the axis, and neighbours are taken."""
        (before, *_), (x, *_) = layouts, xs
        axis, taken = self.take(x)
        if len(taken) == x[axis]:
            return before
        outside = [other for other in _order_axes(before, x) if other != axis]
        outside = outside[: _order_axes(before, x).index(axis)]
        neighbours = self.step == 1 or len(taken) == 1
        dense = before.dense and neighbours and prod(x[other] for other in outside) == 1
        return Layout(before.channels_last, dense, whole=before.whole and dense and batch == 1)

    def moments(self, x: Moments) -> Moments:
        axis, taken = self.take(x.shape)
        return take_channels(x, taken) if axis == 0 else take_positions(x, axis - 1, taken)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        axis, taken = self.take(x.shape)
        return (give_channels(gradient, x, taken) if axis == 0 else give_positions(gradient, x, axis - 1, taken),)


class Roll(Layer):
    """Moves all positions on by `shift` along each axis of space, those beyond the end to the start (torch.roll)."""

    family: ClassVar[Family] = "resize"
    main: ClassVar[str | None] = "shift"
    gating: ClassVar[Gating] = "passes"
    odd: ClassVar[bool] = True
    keeps_zeros: ClassVar[bool] = True
    passes_terms: ClassVar[bool] = True

    shift: WholePerAxis = Field(description="positions to move on by, for all axes or each; negative, to the start")

    @property
    def beyond(self) -> Fill:
        return "wrap"

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        return True

    def bound(self, x: Bounds) -> Bounds:
        return x

    def changes_nothing(self, *xs: Shape) -> str:
        return "" if any(self.along_axes(xs[0])) else "it moves by nothing"

    def is_view(self, x: Shape, *, training: bool) -> bool:
        return not any(self.along_axes(x))

    def along_axes(self, x: Shape) -> tuple[int, ...]:
        """The shift along each axis of space. Raises OpError where it is more than once around."""
        shifts = along(self.shift, x, "shift")
        for axis, (shift, extent) in enumerate(zip(shifts, x.space, strict=True), start=1):
            if abs(shift) > extent:
                raise OpError(f"roll moves by {shift}, more than {name_places(axis, x)}", "shift")
        return shifts

    def infer(self, x: Shape) -> Shape:
        if x.rank == 0:
            raise OpError(f"roll needs an axis of space, found the vector {x}")
        self.along_axes(x)
        return x

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        shift = at_axis(self.shift, axis)
        return (run((span[0] - shift, span[1] - shift)),)

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return layouts[0].by_format(xs[0])

    def is_layout_known(self, layout: Layout, x: Shape) -> bool:
        return layout.is_told(x)

    def moments(self, x: Moments) -> Moments:
        return self._move(x, self.along_axes(x.shape))

    def _move(self, x: Moments, shifts: tuple[int, ...]) -> Moments:
        before = x.rectified and self._move(x.rectified, shifts)
        return replace(x, axes=roll_positions(x.axes, shifts), rectified=before)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        back = [-shift for shift in self.along_axes(x.shape)]
        return (replace(gradient, axes=roll_positions(gradient.axes, back)),)


def _order_axes(layout: Layout, x: Shape) -> list[int]:
    """The axes in the order in which they lie in memory, the outermost first."""
    axes = list(range(len(x)))
    return [*axes[1:], 0] if layout.channels_last else axes
