"""Operations that lay the numbers of a value out in another shape: rows of tokens, blocks of positions as channels,
positions as channels, and channels in another order."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import ClassVar

from pydantic import Field

from archspec.ops.axes import name_places, require_map
from archspec.ops.base import Family, Gating, Layer, Op
from archspec.ops.bounds import Bounds
from archspec.ops.fields import Positive
from archspec.ops.signal.moments import BORDER, Gradient, Moments
from archspec.ops.signal.rearranging import (
    deal_channels,
    exchange_axes,
    exchange_axes_of_flow,
    flow_into_blocks,
    flow_out_of_blocks,
    lay_in_a_row,
    lay_out_a_row,
    put_into_blocks,
    take_out_of_blocks,
)
from archspec.ops.values import Layout, OpError, Shape
from archspec.ops.window import Positions, Span, run


class Rearranging(Layer):
    """An operation that puts each number of its operand at one place of the result."""

    family: ClassVar[Family] = "resize"
    gating: ClassVar[Gating] = "passes"
    odd: ClassVar[bool] = True

    @abstractmethod
    def infer(self, x: Shape) -> Shape: ...

    def bound(self, x: Bounds) -> Bounds:
        return x

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout()


class Tokens(Rearranging):
    """All positions of a map in one row, row by row: (C, *S) -> (C, ΠS)."""

    keeps_zeros: ClassVar[bool] = True
    passes_terms: ClassVar[bool] = True

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        return True

    def changes_nothing(self, *xs: Shape) -> str:
        return "its operand is a row" if xs[0].rank == 1 else ""

    def infer(self, x: Shape) -> Shape:
        if x.rank == 0:
            raise OpError(f"tokens needs a map, found the vector {x}")
        return Shape(x.channels, prod(x.space))

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        """A position of the row has no place along an axis of the map."""
        return (run(span) if xs[0].rank == 1 else None,)

    def is_view(self, x: Shape, *, training: bool) -> bool:
        return True

    def straightens(self, layout: Layout, x: Shape) -> bool:
        return False

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return layouts[0]

    def moments(self, x: Moments) -> Moments:
        return lay_in_a_row(x)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (_spread_evenly(gradient, x),)


class Transpose(Rearranging):
    """Makes the positions of a row of tokens its channels, and the channels positions: (C, L) -> (L, C)."""

    def infer(self, x: Shape) -> Shape:
        if x.rank != 1:
            raise OpError(
                f"transpose needs a row of tokens, C×L, found {x}" + ("; put `tokens` before it" * (x.rank > 1))
            )
        return Shape(x.space[0], x.channels)

    def fixed_axes(self, x: Shape) -> range:
        """The positions, which become channels: these are never dynamic."""
        return range(1, 2)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        """A position of the result is a channel of the operand, at all positions."""
        return (None,)

    def is_view(self, x: Shape, *, training: bool) -> bool:
        return True

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return layouts[0]._replace(channels_last=not layouts[0].channels_last)

    def moments(self, x: Moments) -> Moments:
        return exchange_axes(x)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (exchange_axes_of_flow(gradient),)


class Map(Op):
    """Lays a row of tokens out as a map with the extents of another value, row by row."""

    family: ClassVar[Family] = "resize"
    gating: ClassVar[Gating] = "passes"
    arity: ClassVar[int | None] = 2
    data_inputs: ClassVar[int | None] = 1
    odd: ClassVar[bool] = True
    keeps_zeros: ClassVar[bool] = True
    passes_terms: ClassVar[bool] = True

    def commutes(self, *, flips: bool, adds: bool) -> bool:
        return True

    def bound(self, *xs: Bounds) -> Bounds:
        return xs[0]

    def infer(self, x: Shape, like: Shape) -> Shape:
        if x.rank != 1:
            raise OpError(f"map needs a row of tokens, C×L, found {x}")
        if not like.rank or prod(like.space) != x.space[0]:
            count = f"{prod(like.space)} positions" if like.rank else "no positions"
            raise OpError(f"map lays out {x.space[0]} tokens, and {like} has {count}", "like")
        return Shape(x.channels, *like.space)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        """A position of the map has no place in the row along one axis alone."""
        return (run(span) if xs[1].rank == 1 else None, None)

    def is_view(self, *xs: Shape, training: bool) -> bool:
        return True

    def straightens(self, layout: Layout, x: Shape) -> bool:
        return False

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return layouts[0]

    def moments(self, x: Moments, like: Moments) -> Moments:
        return lay_out_a_row(x, like.shape)

    def gradients(self, gradient: Gradient, x: Moments, like: Moments) -> tuple[Gradient, ...]:
        return (_spread_evenly(gradient, x),)


class Blocks(Rearranging):
    """Moves values between channels and blocks of positions, with as many along each axis."""

    main: ClassVar[str | None] = "block"

    block: Positive = Field(2, description="extent of a block along each axis")

    def changes_nothing(self, *xs: Shape) -> str:
        return "its blocks are single positions" if self.block == 1 else ""

    def is_view(self, x: Shape, *, training: bool) -> bool:
        """Tell so of single positions, which torch reshapes; its own operation for images copies these too."""
        return self.block == 1 and x.rank != 2

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return layouts[0].by_format(xs[0]) if xs[0].rank == 2 else Layout()

    def is_layout_known(self, layout: Layout, x: Shape) -> bool:
        return layout.is_told(x)


class SpaceToDepth(Blocks):
    """Makes each block of positions one position, and its numbers channels, those of one channel beside each other
    (torch.pixel_unshuffle): (C, *S) -> (C · block ^ rank, *S / block)."""

    def infer(self, x: Shape) -> Shape:
        require_map(self.kind, x)
        for axis, extent in enumerate(x.space, start=1):
            if extent % self.block:
                raise OpError(f"blocks of {self.block} do not fit {name_places(axis, x)}", "block")
        return Shape(x.channels * self.block**x.rank, *(extent // self.block for extent in x.space))

    def stride_fraction(self, axis: int) -> Fraction:
        return Fraction(self.block)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (run((span[0] * self.block, (span[1] + 1) * self.block - 1)),)

    def moments(self, x: Moments) -> Moments:
        return put_into_blocks(x, self.block)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (flow_out_of_blocks(gradient, self.block),)


class DepthToSpace(Blocks):
    """Makes each position a block of positions, out of channels that stand beside each other (torch.pixel_shuffle):
    (C, *S) -> (C / block ^ rank, *S · block)."""

    def infer(self, x: Shape) -> Shape:
        require_map(self.kind, x)
        count = self.block**x.rank
        if x.channels % count:
            raise OpError(f"a block has {count} positions, and {x.channels} channels of {x} are no multiple", "block")
        return Shape(x.channels // count, *(extent * self.block for extent in x.space))

    def stride_fraction(self, axis: int) -> Fraction:
        return Fraction(1, self.block)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (run((span[0] // self.block, span[1] // self.block)),)

    def moments(self, x: Moments) -> Moments:
        return take_out_of_blocks(x, self.block)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (flow_into_blocks(gradient, self.block),)


class ShuffleChannels(Rearranging):
    """Deals the channels out: the first of each group, the second of each, and so on (Zhang et al., 2018)."""

    main: ClassVar[str | None] = "groups"
    passes_terms: ClassVar[bool] = True

    groups: Positive = Field(description="number of groups in which the channels stand before")

    def changes_nothing(self, *xs: Shape) -> str:
        return "its groups leave each channel in its place" if self.groups in (1, xs[0].channels) else ""

    def is_view(self, x: Shape, *, training: bool) -> bool:
        return bool(self.changes_nothing(x))

    def infer(self, x: Shape) -> Shape:
        if x.channels % self.groups:
            raise OpError(f"groups: {self.groups} does not divide the {x.channels} channels of {x}", "groups")
        return x

    def moments(self, x: Moments) -> Moments:
        return replace(
            x,
            runs=deal_channels(x.runs, self.groups),
            rectified=x.rectified and replace(x.rectified, runs=deal_channels(x.rectified.runs, self.groups)),
        )

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (replace(gradient, runs=deal_channels(gradient.runs, x.channels // self.groups)),)


def _spread_evenly(gradient: Gradient, x: Moments) -> Gradient:
    """The gradient at the axes of an operand, each with its mean at all positions."""
    even = all(axis.profile is None for axis in gradient.axes)
    doubts = gradient.doubts if even else gradient.doubts | BORDER
    return replace(gradient, axes=tuple(axis.flat() for axis in x.axes), doubts=doubts)
