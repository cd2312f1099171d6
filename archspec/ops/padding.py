"""Padding: positions that are added before and after those of a map."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import ClassVar, Literal

from pydantic import Field

from archspec.ops.axes import require_map
from archspec.ops.base import Family, Layer
from archspec.ops.bounds import ZERO, Bounds
from archspec.ops.fields import NonNegativePerAxis, along, at_axis
from archspec.ops.signal.axis import fold_back, spread_beyond
from archspec.ops.signal.moments import WINDOW, Gradient, Moments
from archspec.ops.values import Casting, Layout, OpError, Saved, Shape
from archspec.ops.window import Fill, Positions, Span, run


class Pad(Layer):
    """Adds positions before and after those of each axis of space: zeros, copies of the value at the edge, or those in
    front of the edge mirrored, which are fewer than the axis has. (C, *S) -> (C, *S'), with S' = before + S + after.
    Both are one number for all axes, or a list with one for each."""

    family: ClassVar[Family] = "resize"
    odd: ClassVar[bool] = True
    keeps_zeros: ClassVar[bool] = True

    before: NonNegativePerAxis = Field(0, description="positions added before those of each axis")
    after: NonNegativePerAxis = Field(0, description="positions added after those of each axis")
    mode: Literal["zeros", "reflect", "edge"] = Field("zeros", description="values of the positions that are added")

    @property
    def beyond(self) -> Fill:
        return "constant" if self.mode == "zeros" else self.mode

    @property
    def passes_terms(self) -> bool:
        return self.mode != "zeros"

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        return self.mode != "zeros" or not adds

    def bound(self, x: Bounds) -> Bounds:
        return x.hull(ZERO) if self.mode == "zeros" else x

    def changes_nothing(self, *xs: Shape) -> str:
        return "" if any(map(any, self.sides(xs[0]))) else "it adds no position"

    def sides(self, x: Shape) -> list[tuple[int, int]]:
        """The positions that are added before and after those of each axis. Raises OpError."""
        return list(zip(along(self.before, x, "before"), along(self.after, x, "after"), strict=True))

    def infer(self, x: Shape) -> Shape:
        require_map(self.kind, x)
        for axis, (size, sides) in enumerate(zip(x.space, self.sides(x), strict=True), start=1):
            for field, side in zip(("before", "after"), sides, strict=True):
                if self.mode == "reflect" and side >= size:
                    most = f"axis {axis} of {x} has at most {size - 1} to mirror"
                    raise OpError(f"{most}, and {field} asks for {side}; `mode: edge` has no limit", field)
        return Shape(x.channels, *(size + sum(sides) for size, sides in zip(x.space, self.sides(x), strict=True)))

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        before = at_axis(self.before, axis)
        return (run((span[0] - before, span[1] - before)),)

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved(() if self.mode == "zeros" else (0,))

    def casting(self, *xs: Shape) -> Casting:
        """The way of autocast: torch has the other modes on its list of float32, but for mirrored volumes."""
        return "widest" if self.mode == "zeros" or (self.mode == "reflect" and xs[0].rank == 3) else "full"

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return layouts[0].by_format(xs[0])

    def is_layout_known(self, layout: Layout, x: Shape) -> bool:
        return layout.is_told(x)

    def moments(self, x: Moments) -> Moments:
        slid = [
            spread_beyond(axis, *sides, self.beyond) for axis, sides in zip(x.axes, self.sides(x.shape), strict=True)
        ]
        kept, axes = prod(share for share, _ in slid), tuple(axis for _, axis in slid)
        inside = prod(x.shape.space) / prod(axis.size for axis in axes)
        return x.times(inside if self.mode == "zeros" else 1.0, kept, kept, axes=axes)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        """The gradient inside; a position that has copies gets theirs too, taken as independent."""
        rows = zip(gradient.axes, self.sides(x.shape), x.shape.space, strict=True)
        slid = [fold_back(axis, before, size, self.beyond) for axis, (before, _), size in rows]
        gain, axes = prod(share for share, _ in slid), tuple(axis for _, axis in slid)
        doubts = gradient.doubts if self.mode == "zeros" else gradient.doubts | WINDOW
        return (gradient.times(gain, axes=axes, doubts=doubts),)
