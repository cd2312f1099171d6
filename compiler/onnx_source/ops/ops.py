"""Operations of ONNX that no word of the language says: small classes that answer the same questions.

Their shapes are those at which the file was read, and they keep to them. A stored tensor that an operation takes as an
operand is a weight of it.
"""

from __future__ import annotations

from ctypes import c_float
from fractions import Fraction
from math import prod
from typing import Any, ClassVar

from archspec.ops import Input as NamedInput
from archspec.ops import Linear, Op, OpError, Positions, Shape, Span, Weight, Weights
from archspec.ops.values import ONE, Saves
from archspec.ops.window import Fill, run

Extents = tuple[int, ...]


class Input(NamedInput):
    """A value from outside, at the sizes for which the file was read: others may change what its nodes do."""

    restates: ClassVar[frozenset[str]] = frozenset({"at"})

    at: Extents

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
    """Whether it only moves numbers, and computes none."""
    called: ClassVar[str] = ""
    """Its word, where that is neither its `function` nor its kind."""
    tells: ClassVar[tuple[str, ...]] = ()
    """The fields that are its facts."""

    gives: Extents
    stores: tuple[Extents, ...] = ()
    details: tuple[tuple[str, str], ...] = ()
    """What the file says of it that is in no field of its own: attributes that have not their usual value, and what
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
    """Its operands in order: the number, where it is one that the file says; None for a value."""

    @property
    def own(self) -> dict[str, Any]:
        said = ("x" if number is None else tell_number(number) for number in self.numbers)
        return {"of": ", ".join(said)} if any(number is not None for number in self.numbers) else {}

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        own = (len(x) == len(self.gives) and x[axis + 1] == self.gives[axis + 1] for x in xs)
        return tuple(run(span) if has else None for has in own)


class SpaceToDepth(Foreign):
    """Each block of positions becomes one, its numbers channels."""

    moves: ClassVar[bool] = True
    main: ClassVar[str | None] = "block"
    tells: ClassVar[tuple[str, ...]] = ("block",)

    block: int

    def stride_fraction(self, axis: int) -> Fraction:
        return Fraction(self.block)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (run((span[0] * self.block, (span[1] + 1) * self.block - 1)),)


class DepthToSpace(Foreign):
    """Each position becomes a block of positions, out of its channels."""

    moves: ClassVar[bool] = True
    main: ClassVar[str | None] = "block"
    tells: ClassVar[tuple[str, ...]] = ("block",)

    block: int

    def stride_fraction(self, axis: int) -> Fraction:
        return Fraction(1, self.block)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return (run((span[0] // self.block, span[1] // self.block)),)


class Rows(Foreign):
    """A fully connected layer along the last axis, at each position of the others."""

    saves: ClassVar[Saves] = "operands"

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
        return prod(self.gives) * self.inner

    def elementwise(self, *xs: Shape) -> int:
        return 0

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return tuple(None for _ in xs)


class Along(Foreign):
    """What works along whole axes, counted from 0 for the channels."""

    function: str
    axes: Extents

    @property
    def own(self) -> dict[str, Any]:
        return _tell_axes(self.axes, self.gives)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        in_place = all(len(x) == len(self.gives) for x in xs) and axis + 1 not in self.axes
        return tuple(run(span) if in_place else None for _ in xs)


class Reduce(Along):
    """One number for all along some axes: their sum, mean, largest, …"""

    saves: ClassVar[Saves] = "operands"

    @property
    def own(self) -> dict[str, Any]:
        return {}

    def elementwise(self, *xs: Shape) -> int:
        return sum(x.elements for x in xs)


class SoftmaxAlong(Along):
    """exp(x) over its sum along an axis, or the logarithm of that."""

    saves: ClassVar[Saves] = "result"


class NormalizeAlong(Along):
    """Sets mean and variance, or the norm, along some axes."""

    saves: ClassVar[Saves] = "operands"


class NormalizeChannels(Along):
    """Sets mean and variance over some axes, or takes those that are stored; then scales and shifts each channel."""

    saves: ClassVar[Saves] = "operands"

    channels: int
    kept: bool
    """Whether the statistics are stored."""

    def weights(self, *xs: Shape) -> Weights:
        own, kept = Weight((self.channels,), 1.0), Weight((self.channels,), 0.0, trainable=False, buffer=True)
        statistics = {"running_mean": kept, "running_var": kept} if self.kept else {}
        return {"weight": own, "bias": own} | statistics

    def elementwise(self, *xs: Shape) -> int:
        return (2 if self.kept else 7) * prod(self.gives)


class ConcatAlong(Along):
    """Values one after the other along an axis that is not that of the channels."""

    moves: ClassVar[bool] = True

    function: str = "concat"


class Cut(Foreign):
    """A part of a value: every `step`-th position from `start` on, along each axis."""

    moves: ClassVar[bool] = True
    main: ClassVar[str | None] = "positions"
    called: ClassVar[str] = "slice"

    starts: Extents
    steps: Extents

    @property
    def own(self) -> dict[str, Any]:
        given = (*(1,) * self._dropped, *self.gives)
        taken = zip(self.starts, given, self.steps, strict=True)
        return {"positions": ", ".join(_tell_positions(*axis) for axis in taken)}

    @property
    def _dropped(self) -> int:
        """How many axes in front are gone, since one position is left of them."""
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

    begins: Extents
    fill: Fill
    """What is added."""

    @property
    def beyond(self) -> Fill:
        return self.fill

    @property
    def own(self) -> dict[str, Any]:
        return {"fill": self.fill, "before": ", ".join(map(str, self.begins))}

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        before = self.begins[axis + 1]
        if len(xs[0]) != len(self.gives):  # what had one sample has copies
            return (None,)
        return (run((span[0] - before, span[1] - before)),)


class Rearrange(Foreign):
    """The same numbers at other places: reshape, transpose, space to depth, gather, tile."""

    moves: ClassVar[bool] = True
    main: ClassVar[str | None] = "axes"

    function: str
    perm: Extents = ()
    """Of a transposition: which axis of the operand each axis of the result is."""

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


class ShuffleChannels(Foreign):
    """The channels in another order."""

    moves: ClassVar[bool] = True
    called: ClassVar[str] = "channel_shuffle"


def _tell_axes(axes: Extents, shape: Extents) -> dict[str, Any]:
    """Counted from the last, which is the usual one and goes without saying: so they are in the file's counting too,
    that has the batch in front."""
    counted = [axis - len(shape) for axis in axes]
    return {} if counted == [-1] else {"axes": ", ".join(map(str, counted))}


def _tell_positions(start: int, count: int, step: int) -> str:
    """`0:28`, or `1:57:2`, as numpy does."""
    end = start + count * step
    return f"{start}:{end if end >= 0 else ''}" + (f":{step}" if step != 1 else "")


def tell_number(number: float) -> str:
    """Six digits, or as many more as tell it from every other number in single precision; else all that it has."""
    texts = (f"{number:.{digits}g}" for digits in range(6, 10))
    return next((text for text in texts if c_float(float(text)).value == number), repr(number))


def kernel_and_bias(shape: Extents, out: int, bias: bool) -> Weights:
    """The stored tensors of a layer: a kernel of this shape, and its bias."""
    kernel = {"weight": Weight(shape, "he", fan_in=prod(shape[1:]), fan_out=out)}
    return kernel | ({"bias": Weight((out,), 0.0)} if bias else {})
