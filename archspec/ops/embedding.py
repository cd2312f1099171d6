"""A table whose rows are looked up by whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from archspec.ops.base import Family, Layer
from archspec.ops.fields import Flag, Gain, Positive
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import Gradient, Moments, unit_gradient
from archspec.ops.values import Casting, Layout, NumberType, OpError, Saved, Shape, Weight, Weights


class Embedding(Layer):
    """The row of a table that each whole number names, from 0: (1, *S) -> (out, *S), for an input of `type: int`.

    Rows start normal, as torch's do. A table that is not trained is given with the weights, as sinusoids of a time are.
    """

    family: ClassVar[Family] = "kernel"
    takes: ClassVar[NumberType] = "int"

    rows: Positive = Field(description="rows of the table, one for each whole number from 0")
    out: Positive = Field(description="channels of the result, the length of a row")
    std: Gain = Field(1.0, description="standard deviation of the first values, which are normal around 0")
    trainable: Flag = Field(True, description="rows are learned; else they stay as the weights have them")

    def infer(self, x: Shape) -> Shape:
        if x.channels != 1:
            raise OpError(f"embedding looks up one number at each position, found {x}, which has {x.channels}")
        return Shape(self.out, *x.space)

    def weights(self, x: Shape) -> Weights:
        return {"weight": Weight((self.rows, self.out), 0.0, trainable=self.trainable, std=self.std)}

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        """Lay out the rows, which stand behind each other, with the channels last."""
        return Layout(channels_last=True)

    def casting(self, *xs: Shape) -> Casting:
        return "full"

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The whole numbers: torch adds the gradients up by them."""
        return Saved((0,))

    def moments(self, x: Moments) -> Moments:
        """The moments over the draws, of numbers that are each as likely: two positions may name one row."""
        square = self.std**2
        part = ChannelMoments(0.0, square, square / self.rows)
        return Moments(((self.out, part),), x.axes)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        """None: a whole number has no neighbours."""
        return (unit_gradient(x.shape, 0.0),)
