"""The concatenation of maps along an axis of space."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import ClassVar

from pydantic import Field

from archspec.ops.axes import find_axis, resolve_axis
from archspec.ops.bounds import Bounds
from archspec.ops.fields import Whole
from archspec.ops.merge import Merge
from archspec.ops.signal.joining import join_positions
from archspec.ops.signal.moments import Gradient, Moments
from archspec.ops.values import Layout, OpError, Shape, in_words
from archspec.ops.window import Positions, Span, run


class ConcatPositions(Merge):
    """The positions of all operands along one axis of space, in order."""

    joins: ClassVar[bool] = True

    axis: Whole = Field(description="from 1 for the axes of space, -1 for the last")

    @property
    def word(self) -> str:
        return "concat"

    def resolve_axes(self, *xs: Shape) -> ConcatPositions:
        axis = resolve_axis(self.axis, xs[0])
        return self if axis == self.axis else self.model_copy(update={"axis": axis})

    def bound(self, *xs: Bounds) -> Bounds:
        return xs[0].hull(*xs[1:])

    def changes_nothing(self, *xs: Shape) -> str:
        return "it has one operand" if len(xs) == 1 else ""

    def infer(self, *xs: Shape) -> Shape:
        axis = find_axis(self.axis, xs[0], "concat")
        rest = {(*x[:axis], *x[axis + 1 :]) if len(x) == len(xs[0]) else () for x in xs}
        if len(rest) > 1:
            raise OpError(f"concat along axis {axis} needs all other extents to be equal, found {in_words(xs)}")
        return Shape(*xs[0][:axis], sum(x[axis] for x in xs), *xs[0][axis + 1 :])

    def starts(self, *xs: Shape) -> list[int]:
        """The position at which each operand begins, and behind them the extent of all."""
        return [*accumulate((x[self.axis] for x in xs), initial=0)]

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        if axis + 1 != self.axis:
            return (run(span),) * len(xs)
        return tuple(run((span[0] - start, span[1] - start)) for start in self.starts(*xs)[:-1])

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout(all(layout.by_format(xs[0]).channels_last for layout in layouts))

    def is_layout_known(self, layout: Layout, x: Shape) -> bool:
        return layout.is_told(x)

    def moments(self, *xs: Moments) -> Moments:
        return join_positions(xs, self.axis - 1)

    def gradients(self, gradient: Gradient, *xs: Moments) -> tuple[Gradient, ...]:
        place, parts = self.axis - 1, []
        for start, end in pairwise(self.starts(*[x.shape for x in xs])):
            factor, axis = gradient.axes[place].take(range(start, end))
            parts.append(gradient.times(factor, axes=(*gradient.axes[:place], axis, *gradient.axes[place + 1 :])))
        return tuple(parts)
