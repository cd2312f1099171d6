"""Repeats a value to the extents of others, where no operation on each position does so by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from archspec.ops.base import Family, Gating, Op
from archspec.ops.bounds import Bounds
from archspec.ops.signal.moments import Gradient, Moments
from archspec.ops.signal.sums import gather_copies, repeat_copy
from archspec.ops.values import Layout, OpError, Shape, in_words
from archspec.ops.window import Positions, Span, run


class RepeatSpace(Op):
    """Repeats its first operand along the spatial axes where its extent is 1, to the largest among all operands, each
    of which has there that extent or 1."""

    family: ClassVar[Family] = "resize"
    gating: ClassVar[Gating] = "passes"
    arity: ClassVar[int | None] = None
    data_inputs: ClassVar[int | None] = 1
    odd: ClassVar[bool] = True
    keeps_zeros: ClassVar[bool] = True
    passes_terms: ClassVar[bool] = True
    fits_extents: ClassVar[bool] = True

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        return True

    def bound(self, *xs: Bounds) -> Bounds:
        return xs[0]

    def infer(self, *xs: Shape) -> Shape:
        found = [{*extents} - {1} for extents in zip(*(x.space for x in xs), strict=False)]
        if len({x.rank for x in xs}) > 1 or any(len(extents) > 1 for extents in found):
            raise OpError(f"fit: repeat needs equal extents or extents of 1, found {in_words(xs)}", "fit")
        return Shape(xs[0].channels, *(max(extents, default=1) for extents in found))

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout()

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        own = xs[0].space[axis] == self.infer(*xs).space[axis]
        return (run(span) if own else None, *[None] * (len(xs) - 1))

    def moments(self, x: Moments, *others: Moments) -> Moments:
        return repeat_copy(x, x.channels, self.infer(x.shape, *(other.shape for other in others)).space)

    def gradients(self, gradient: Gradient, x: Moments, *others: Moments) -> tuple[Gradient, ...]:
        return (gather_copies(gradient, x),)
