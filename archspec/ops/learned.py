"""A value that is a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import BeforeValidator, Field

from archspec.ops.base import Family, Layer
from archspec.ops.fields import MAX_AXES, Number, Positive, read_entries
from archspec.ops.signal.axis import Axis
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import Gradient, Moments
from archspec.ops.values import Casting, Layout, Saved, Shape, Weight, Weights
from archspec.ops.window import Positions, Span

Extents: TypeAlias = Annotated[
    tuple[Positive, ...],
    Field(min_length=1, max_length=MAX_AXES + 1),
    BeforeValidator(read_entries, json_schema_input_type=list[int]),
]


class Learned(Layer):
    """A value that is learned, the same for each sample; it drops the value that comes in, which lends the batch
    alone."""

    family: ClassVar[Family] = "input"
    main: ClassVar[str | None] = "shape"
    data_inputs: ClassVar[int | None] = 0
    fixes_extents: ClassVar[bool] = True

    shape: Extents = Field(description="channels, and the extent along each axis of space")
    start: Number = Field(0.0, description="mean of its first values")
    std: Number = Field(0.02, ge=0, description="standard deviation of its first values, which are normal")

    def infer(self, x: Shape) -> Shape:
        return Shape(*self.shape)

    def weights(self, x: Shape) -> Weights:
        return {"value": Weight(tuple(self.shape), self.start, std=self.std)}

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (None,)

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout()

    def casting(self, *xs: Shape) -> Casting:
        return "full"

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved()

    def moments(self, x: Moments) -> Moments:
        """The moments over the draws; two samples have all of it in common, but not two positions."""
        channels, *space = self.shape
        square, positions = self.std**2, prod(space)
        part = ChannelMoments(self.start, self.start**2 + square, self.start**2 + square / positions)
        uneven = square * (1 - 1 / positions) / part.second if part.second else 0.0
        return Moments(((channels, part),), tuple(map(Axis, space)), uneven=uneven, narrow=0.0)

    def gradients(self, gradient: Gradient, *xs: Any) -> tuple[Gradient, ...]:
        return ()
