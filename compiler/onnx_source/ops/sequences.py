"""Operations of ONNX on sequences: recurrent layers, and attention in one piece."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar

from archspec.ops import Gru, Lstm, Positions, Shape, Span, Weight, Weights
from archspec.ops.values import Saves
from compiler.onnx_source.ops.foreign import Dims, Foreign

LAYERS: Mapping[str, type[Lstm | Gru]] = {"LSTM": Lstm, "GRU": Gru}
"""The recurrent layers of the language, by ONNX's operation."""

ELEMENTWISE = {kind.lower(): layer.steps for kind, layer in LAYERS.items()} | {"rnn": 2}
"""The number of operations that each hidden number and step take: sums of the two products, functions, and what the
gates multiply and add."""


class Recurrent(Foreign):
    """A recurrent layer, in one direction or both: for each hidden number and step as many rows of two products as
    there are gates, one with the input of `inner` numbers and one with the `hidden` ones."""

    saves: ClassVar[Saves] = "operands"
    main: ClassVar[str | None] = "hidden"
    tells: ClassVar[tuple[str, ...]] = ("hidden",)

    function: str
    inner: int
    hidden: int
    gates: int
    bias: bool
    sizes: tuple[tuple[str, Dims], ...]
    """The shapes of its stored tensors, by their short names."""

    @property
    def own(self) -> dict[str, Any]:
        return {"hidden": self.hidden}

    def weights(self, *xs: Shape) -> Weights:
        return {name: Weight(shape, 0.0) for name, shape in self.sizes}

    def macs(self, *xs: Shape) -> int:
        return prod(self.gives) * self.gates * (self.inner + self.hidden)

    def bias_adds(self, *xs: Shape) -> int:
        return 2 * self.gates * prod(self.gives) if self.bias else 0

    def elementwise(self, *xs: Shape) -> int:
        return ELEMENTWISE[self.function] * prod(self.gives)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return tuple(None for _ in xs)


class FusedAttention(Foreign):
    """Attention in one piece: each row is a mean of `values` numbers over `keys` rows, weighted by products of `inner`
    numbers."""

    saves: ClassVar[Saves] = "operands"

    called: ClassVar[str] = "attention"

    keys: int
    inner: int
    values: int
    masked: bool

    @property
    def own(self) -> dict[str, Any]:
        return {"keys": self.keys, "inner": self.inner}

    @property
    def _scores(self) -> int:
        return prod(self.gives) // self.values * self.keys

    def products(self, *xs: Shape) -> int:
        return self._scores * (self.inner + self.values)

    def elementwise(self, *xs: Shape) -> int:
        return self._scores * (2 + self.masked)  # scaled, masked, and their softmax

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return tuple(None for _ in xs)
