"""Matrix products that no word of the language says."""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar

from archspec.ops import Linear, Positions, Shape, Span, Weights
from archspec.ops.values import Saves
from archspec.ops.window import run
from compiler.onnx_source.ops.foreign import Foreign, kernel_and_bias


class Rows(Foreign):
    """A fully connected layer along the last axis, at each position of the others."""

    saves: ClassVar[Saves] = "operands"
    has_kernel: ClassVar[bool] = True

    main: ClassVar[str | None] = "out"
    called: ClassVar[str] = Linear.kind

    inner: int
    bias: bool

    @property
    def own(self) -> dict[str, Any]:
        return {"out": self.gives[-1]}

    def weights(self, *xs: Shape) -> Weights:
        return kernel_and_bias((self.gives[-1], self.inner), self.gives[-1], self.bias)

    def macs(self, *xs: Shape) -> int:
        return prod(self.gives) * self.inner

    def bias_adds(self, *xs: Shape) -> int:
        return prod(self.gives) if self.bias else 0

    def elementwise(self, *xs: Shape) -> int:
        return 0

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (run(span) if axis + 1 < len(self.gives) - 1 else None,)


class Product(Foreign):
    """The matrix product of two values, or of a value and stored matrices; each number of it sums over `inner`."""

    saves: ClassVar[Saves] = "operands"

    called: ClassVar[str] = "matmul"
    tells: ClassVar[tuple[str, ...]] = ("inner",)

    inner: int

    def macs(self, *xs: Shape) -> int:
        return prod(self.gives) * self.inner if self.stores else 0

    def products(self, *xs: Shape) -> int:
        return 0 if self.stores else prod(self.gives) * self.inner

    def elementwise(self, *xs: Shape) -> int:
        return 0

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return tuple(None for _ in xs)
