"""Operations that move numbers and compute none."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, ClassVar

from archspec.ops import Bounds, DepthToSpace, Positions, Shape, SpaceToDepth, Span
from archspec.ops.bounds import UNKNOWN, ZERO
from archspec.ops.rearranging import Blocks
from archspec.ops.values import ONE
from archspec.ops.window import Fill, run
from compiler.onnx_source.ops.along import Along
from compiler.onnx_source.ops.foreign import Dims, Foreign


class ForeignBlocks(Foreign):
    """Moves numbers between channels and blocks of positions as its `counterpart` of the language does, which has the
    channels in another order."""

    moves: ClassVar[bool] = True
    main: ClassVar[str | None] = "block"
    tells: ClassVar[tuple[str, ...]] = ("block",)
    counterpart: ClassVar[type[Blocks]]

    block: int

    @property
    def word(self) -> str:
        return self.counterpart.kind

    def stride_fraction(self, axis: int) -> Fraction:
        return self.counterpart(block=self.block).stride_fraction(axis)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return self.counterpart(block=self.block).input_span(axis, span, *xs)


class SpaceBeforeDepth(ForeignBlocks):
    """Makes each block of positions one, and its numbers channels, in another order than the language's."""

    counterpart: ClassVar[type[Blocks]] = SpaceToDepth


class DepthBeforeSpace(ForeignBlocks):
    """Makes each position a block of positions, out of channels in another order than the language's."""

    counterpart: ClassVar[type[Blocks]] = DepthToSpace


class ConcatAlong(Along):
    """Joins values one after the other along an axis that is not that of the channels."""

    moves: ClassVar[bool] = True

    function: str = "concat"


class Cut(Foreign):
    """A part of a value: every `step`-th position from `start` on, along each axis."""

    moves: ClassVar[bool] = True
    main: ClassVar[str | None] = "positions"
    called: ClassVar[str] = "slice"

    starts: Dims
    steps: Dims

    @property
    def own(self) -> dict[str, Any]:
        given = (*(1,) * self._dropped, *self.gives)
        taken = zip(self.starts, given, self.steps, strict=True)
        return {"positions": ", ".join(_tell_positions(*axis) for axis in taken)}

    @property
    def _dropped(self) -> int:
        """Count the axes in front that are gone, since one position is left of them."""
        return len(self.starts) - len(self.gives)

    def stride_fraction(self, axis: int) -> Fraction:
        return ONE if self._dropped else Fraction(abs(self.steps[axis + 1]))

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        step = self.steps[axis + 1]
        if step < 0 or self._dropped:
            return (None,)
        start = self.starts[axis + 1]
        return ((range(start + span[0] * step, start + span[1] * step + 1, step),),)

    def is_view(self, *xs: Shape, training: bool) -> bool:
        return all(step > 0 for step in self.steps)


class PadEdges(Foreign):
    """Adds positions before and after those along each axis, of a constant or of what lies at the edge."""

    moves: ClassVar[bool] = True
    main: ClassVar[str | None] = "fill"
    called: ClassVar[str] = "pad"

    begins: Dims
    fill: Fill
    """The kind of numbers that are added."""

    @property
    def beyond(self) -> Fill:
        return self.fill

    def bound(self, *xs: Bounds) -> Bounds:
        """Zeros are added, unless `details` say another constant."""
        if self.fill != "constant":
            return super().bound(*xs)
        return UNKNOWN if self.details else super().bound(*xs).hull(ZERO)

    @property
    def own(self) -> dict[str, Any]:
        return {"fill": self.fill, "before": ", ".join(map(str, self.begins))}

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        before = self.begins[axis + 1]
        if len(xs[0]) != len(self.gives):  # what had one sample has copies
            return (None,)
        return (run((span[0] - before, span[1] - before)),)


class Rearrange(Foreign):
    """An operation that puts numbers at other places: reshape, transpose, space to depth, gather, tile."""

    moves: ClassVar[bool] = True
    main: ClassVar[str | None] = "axes"

    function: str
    perm: Dims = ()
    """The axis of the operand that each axis of the result is, in a transposition."""

    @property
    def own(self) -> dict[str, Any]:
        return {"axes": ", ".join(map(str, self.perm))} if self.perm else {}

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return tuple(None for _ in xs)

    def is_view(self, *xs: Shape, training: bool) -> bool:
        return self.function in ("reshape", "transpose")


class Sampled(Foreign):
    """The numbers at places between the positions of a map that another value says."""

    called: ClassVar[str] = "grid_sample"

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return tuple(None for _ in xs)


class OrderChannels(Foreign):
    """The channels in another order."""

    moves: ClassVar[bool] = True
    called: ClassVar[str] = "channel_shuffle"


def _tell_positions(start: int, count: int, step: int) -> str:
    """Tell positions as `0:28`, or `1:57:2`, as numpy does."""
    end = start + count * step
    return f"{start}:{end if end >= 0 else ''}" + (f":{step}" if step != 1 else "")
