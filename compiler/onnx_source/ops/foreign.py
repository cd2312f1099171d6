"""Operations of ONNX that no word of the language says: small classes that answer the same questions.

Their shapes are those at which the file was read, and they keep to them. A stored tensor that an operation takes as an
operand is a weight of it.
"""

from __future__ import annotations

from math import inf, prod
from typing import Any, ClassVar

from archspec.ops import Bounds, Op, OpError, Positions, Shape, Span, Weight, Weights
from archspec.ops import Input as NamedInput
from archspec.ops.bounds import POSITIVE, UNKNOWN
from archspec.ops.values import Saves
from archspec.ops.window import run
from compiler.onnx_source.details import Details, tell_number

Dims = tuple[int, ...]


class Input(NamedInput):
    """A value from outside, at the sizes for which the file was read: others may change what its nodes do."""

    restates: ClassVar[frozenset[str]] = frozenset({"at"})

    at: Dims

    def infer(self, **sizes: int) -> Shape:
        shape = super().infer(**sizes)
        if shape != self.at:
            raise OpError(f"the file was read for an input of {Shape(*self.at)}; read it again for {shape}")
        return shape


class Foreign(Op):
    """An operation with the shape of its result, and the shapes of the stored tensors that it takes."""

    arity: ClassVar[int | None] = None
    restates: ClassVar[frozenset[str]] = frozenset({"gives"})
    moves: ClassVar[bool] = False
    """True if it only moves numbers, and computes none."""
    called: ClassVar[str] = ""
    """The word of the operation, where that is neither its `function` nor its kind."""
    tells: ClassVar[tuple[str, ...]] = ()
    """The fields that are its facts."""

    gives: Dims
    stores: tuple[Dims, ...] = ()
    details: Details = ()
    """The facts in the file that are in no field of its own: attributes that have not their usual value, and what
    stands for constants."""

    @property
    def word(self) -> str:
        return self.called or str(getattr(self, "function", self.kind))

    @property
    def facts(self) -> dict[str, Any]:
        return {**self.own, **dict(self.details)}

    @property
    def own(self) -> dict[str, Any]:
        """The facts beside `details`."""
        return {name: getattr(self, name) for name in self.tells}

    def infer(self, *xs: Shape) -> Shape:
        return Shape(*self.gives)

    def weights(self, *xs: Shape) -> Weights:
        return {f"value_{i}": Weight(shape, 0.0) for i, shape in enumerate(self.stores)}

    def elementwise(self, *xs: Shape) -> int:
        return 0 if self.moves else prod(self.gives)

    def bound(self, *xs: Bounds) -> Bounds:
        """Numbers that are only moved stay between their bounds, where no stored ones come among them."""
        return xs[0].hull(*xs[1:]) if self.moves and xs and not self.stores else UNKNOWN

    def is_measured(self, *xs: Shape) -> bool:
        return False


class Unknown(Foreign):
    """An operation of which nothing but the shape of its result is known."""

    main: ClassVar[str | None] = "operation"

    name: str

    @property
    def own(self) -> dict[str, Any]:
        return {"operation": self.name}

    @property
    def unknown(self) -> str:
        return self.name

    def elementwise(self, *xs: Shape) -> int:
        return 0

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return tuple(None for _ in xs)


class Elementwise(Foreign):
    """A function of numbers at the same position: erf, div, where; operands are repeated along axes that they lack."""

    saves: ClassVar[Saves] = "operands"
    main: ClassVar[str | None] = "of"

    function: str
    numbers: tuple[float | None, ...] = ()
    """The operands in order: the number, where it is one that the file says; None for a value."""

    @property
    def own(self) -> dict[str, Any]:
        said = ("x" if number is None else tell_number(number) for number in self.numbers)
        return {"of": ", ".join(said)} if any(number is not None for number in self.numbers) else {}

    def bound(self, *xs: Bounds) -> Bounds:
        if self.function == "clip" and len(self.numbers) == 3:
            low, high = self.numbers[1:]
            return Bounds(-inf if low is None else low, inf if high is None else high)
        return POSITIVE if self.function in ("abs", "exp", "sqrt") else UNKNOWN

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        own = (len(x) == len(self.gives) and x[axis + 1] == self.gives[axis + 1] for x in xs)
        return tuple(run(span) if has else None for has in own)


def kernel_and_bias(shape: Dims, out: int, bias: bool) -> Weights:
    """Describe the stored tensors of a layer: a kernel of this shape, and its bias."""
    kernel = {"weight": Weight(shape, "he", fan_in=prod(shape[1:]), fan_out=out)}
    return kernel | ({"bias": Weight((out,), 0.0)} if bias else {})
