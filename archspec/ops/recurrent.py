"""Layers that go through a sequence position by position, and remember."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from archspec.ops.base import Family, Layer
from archspec.ops.bounds import Bounds
from archspec.ops.fields import Flag, Positive
from archspec.ops.values import Casting, Layout, OpError, Saved, Shape, Weight, Weights
from archspec.ops.window import Positions, Span


class Recurrent(Layer):
    """A recurrent layer along the one spatial axis: (in, L) -> (out, L), or (2 out, L) in both directions.

    Its weights have torch's names, and its gates lie in them in torch's order.
    """

    family: ClassVar[Family] = "kernel"
    main: ClassVar[str | None] = "out"
    has_kernel: ClassVar[bool] = True
    gates: ClassVar[int]
    """The rows of products for each hidden number: one for each gate, and for the candidate."""
    steps: ClassVar[int]
    """The operations for each hidden number and position, beside the products: sums of the two, functions, and what the
    gates multiply and add."""

    out: Positive = Field(description="channels of the result in each direction, which are what it remembers")
    both: Flag = Field(False, description="goes through the sequence from its end too, with weights of their own")

    @property
    def directions(self) -> int:
        return 2 if self.both else 1

    def bound(self, x: Bounds) -> Bounds:
        """The numbers between -1 and 1: means of hyperbolic tangents, or shares of one."""
        return Bounds(-1.0, 1.0)

    def infer(self, x: Shape) -> Shape:
        if x.rank != 1:
            raise OpError(f"{self.kind} goes along one spatial axis, found {x}; `tokens` makes a sequence of a map")
        return Shape(self.directions * self.out, *x.space)

    def weights(self, x: Shape) -> Weights:
        shapes = {
            "weight_ih": (self.gates * self.out, x.channels),
            "weight_hh": (self.gates * self.out, self.out),
            "bias_ih": (self.gates * self.out,),
            "bias_hh": (self.gates * self.out,),
        }
        ways = ("_l0", "_l0_reverse")[: self.directions]
        return {
            f"{name}{way}": Weight(shape, "torch", fan_in=self.out, fan_out=self.out)
            for way in ways
            for name, shape in shapes.items()
        }

    def macs(self, x: Shape) -> int:
        return self.infer(x).elements * self.gates * (x.channels + self.out)

    def bias_adds(self, x: Shape) -> int:
        return 2 * self.gates * self.infer(x).elements

    def elementwise(self, x: Shape) -> int:
        return self.steps * self.infer(x).elements

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        """The whole sequence: each position remembers all before it, and in both directions all behind it."""
        return (None,)

    def casting(self, *xs: Shape) -> Casting:
        return "narrow"

    def is_measured(self, *xs: Shape) -> bool:
        """False: what torch keeps depends on the library that computes it."""
        return False

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The operand, the result, and what the gates were."""
        return Saved((0,), result=True, values=batch * (self.gates + 1) * self.infer(*xs).elements)

    def lay(self, layouts: object, *xs: Shape, batch: int) -> Layout:
        return Layout(channels_last=True)


class Lstm(Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997, with forget gates): c' = f c + i tanh(g), h = o
    tanh(c'), with gates i, f and o that are sigmoids of products with the input and with h."""

    gates: ClassVar[int] = 4
    steps: ClassVar[int] = 13


class Gru(Recurrent):
    """Gated recurrent unit (Cho et al., 2014): h' = (1 - z) n + z h, with n = tanh(W x + b + r (U h + c)), as torch has
    it: the gate r multiplies behind the product."""

    gates: ClassVar[int] = 3
    steps: ClassVar[int] = 11
