"""Operations of ONNX that no word of the language says: small classes that answer the same questions.

Their shapes are those at which the file was read, and they keep to them. A stored tensor that an operation takes as an
operand is a weight of it.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import ceil, floor, prod
from typing import ClassVar, Literal

from archspec.ops import ConvTranspose, Op, OpError, Saved, Shape, Span, Weight, Weights, Window
from archspec.ops import Input as NamedInput

Extents = tuple[int, ...]


class Input(NamedInput):
    """A value from outside, at the sizes for which the file was read: others may change what its nodes do."""

    at: Extents

    def infer(self, **sizes: int) -> Shape:
        shape = super().infer(**sizes)
        if shape != self.at:
            raise OpError(f"the file was read for an input of {Shape(*self.at)}; read it again for {shape}")
        return shape


class Foreign(Op):
    """An operation with the shape of its result, and the shapes of the stored tensors that it takes."""

    arity: ClassVar[int | None] = None
    moves: ClassVar[bool] = False
    """Whether it only moves numbers, and computes none."""

    gives: Extents
    stores: tuple[Extents, ...] = ()

    def infer(self, *xs: Shape) -> Shape:
        return Shape(*self.gives)

    def weights(self, *xs: Shape) -> Weights:
        return {f"value_{i}": Weight(shape, 0.0) for i, shape in enumerate(self.stores)}

    def elementwise(self, *xs: Shape) -> int:
        return 0 if self.moves else prod(self.gives)


class Unknown(Foreign):
    """An operation of which nothing but the shape of its result is known."""

    name: str

    @property
    def unknown(self) -> str:
        return self.name

    def elementwise(self, *xs: Shape) -> int:
        return 0

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Span | None, ...]:
        return tuple(None for _ in xs)


class Elementwise(Foreign):
    """A function of numbers at the same position: erf, div, where; operands are repeated along axes that they lack."""

    keeps: ClassVar[Literal["nothing", "operands", "result"]] = "operands"

    function: str
    numbers: tuple[float | None, ...] = ()
    """Its operands in order: the number, where it is one that the file says; None for a value."""

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Span | None, ...]:
        own = (len(x) == len(self.gives) and x[axis + 1] == self.gives[axis + 1] for x in xs)
        return tuple(span if has else None for has in own)


class Sliding(Foreign):
    """A window of its own extent, stride, padding and dilation along each spatial axis."""

    kernel: Extents
    strides: Extents
    begins: Extents
    dilations: Extents

    def pace(self, axis: int) -> Fraction:
        return Fraction(self.strides[axis])

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Span | None, ...]:
        return (self.window(axis).reads(span),)

    def window(self, axis: int) -> Window:
        """The window along one axis, with the padding before it."""
        return Window(self.kernel[axis], self.strides[axis], self.begins[axis], self.dilations[axis])


class Pool(Sliding):
    """The largest value, the mean or the norm of each window of each channel."""

    keeps: ClassVar[Literal["nothing", "operands", "result"]] = "operands"

    function: str

    def elementwise(self, *xs: Shape) -> int:
        return prod(self.gives) * prod(self.kernel)

    def saved(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved((0,), indices=batch * prod(self.gives) if self.function == "max" else 0)


class SpaceToDepth(Foreign):
    """Each block of positions becomes one, its numbers channels."""

    moves: ClassVar[bool] = True

    block: int

    def pace(self, axis: int) -> Fraction:
        return Fraction(self.block)

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Span | None, ...]:
        return ((span[0] * self.block, (span[1] + 1) * self.block - 1),)


class DepthToSpace(Foreign):
    """Each position becomes a block of positions, out of its channels."""

    moves: ClassVar[bool] = True

    block: int

    def pace(self, axis: int) -> Fraction:
        return Fraction(1, self.block)

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Span | None, ...]:
        return ((span[0] // self.block, span[1] // self.block),)


class Convolution(Sliding):
    """Convolution with any window and a stored kernel of the shape `weight`, (out, in / groups, *window)."""

    keeps: ClassVar[Literal["nothing", "operands", "result"]] = "operands"

    weight: Extents
    out: int
    bias: bool

    def weights(self, *xs: Shape) -> Weights:
        return _kernel_and_bias(self.weight, self.out, self.bias)

    def macs(self, *xs: Shape) -> int:
        return prod(self.gives) * prod(self.weight[1:])

    def bias_adds(self, *xs: Shape) -> int:
        return prod(self.gives) if self.bias else 0

    def elementwise(self, *xs: Shape) -> int:
        return 0


class TransposedConvolution(Convolution):
    """Transposed convolution with any window and a stored kernel of the shape (in, out / groups, *window)."""

    def pace(self, axis: int) -> Fraction:
        return Fraction(1, self.strides[axis])

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Span | None, ...]:
        w = self.window(axis)
        alone = ConvTranspose.model_construct(
            out=1, kernel=w.kernel, stride=w.stride, padding=w.padding, dilation=w.dilation
        )
        return alone.reads(0, span)

    def macs(self, *xs: Shape) -> int:
        return xs[0].elements * prod(self.weight[1:])


class Rows(Foreign):
    """A fully connected layer along the last axis, at each position of the others."""

    keeps: ClassVar[Literal["nothing", "operands", "result"]] = "operands"

    inner: int
    bias: bool

    def weights(self, *xs: Shape) -> Weights:
        return _kernel_and_bias((self.gives[-1], self.inner), self.gives[-1], self.bias)

    def macs(self, *xs: Shape) -> int:
        return prod(self.gives) * self.inner

    def bias_adds(self, *xs: Shape) -> int:
        return prod(self.gives) if self.bias else 0

    def elementwise(self, *xs: Shape) -> int:
        return 0

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Span | None, ...]:
        return (span if axis + 1 < len(self.gives) - 1 else None,)


class Product(Foreign):
    """The matrix product of two values, or of a value and stored matrices; each number of it sums over `inner`."""

    keeps: ClassVar[Literal["nothing", "operands", "result"]] = "operands"

    inner: int

    def macs(self, *xs: Shape) -> int:
        return prod(self.gives) * self.inner

    def elementwise(self, *xs: Shape) -> int:
        return 0

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Span | None, ...]:
        return tuple(None for _ in xs)


class Along(Foreign):
    """What works along whole axes, counted from 0 for the channels."""

    axes: Extents

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Span | None, ...]:
        in_place = all(len(x) == len(self.gives) for x in xs) and axis + 1 not in self.axes
        return tuple(span if in_place else None for _ in xs)


class Reduce(Along):
    """One number for all along some axes: their sum, mean, largest, …"""

    keeps: ClassVar[Literal["nothing", "operands", "result"]] = "operands"

    function: str

    def elementwise(self, *xs: Shape) -> int:
        return sum(x.elements for x in xs)


class SoftmaxAlong(Along):
    """exp(x) over its sum along an axis, or the logarithm of that."""

    keeps: ClassVar[Literal["nothing", "operands", "result"]] = "result"


class NormalizeAlong(Along):
    """Sets mean and variance, or the norm, along some axes."""

    keeps: ClassVar[Literal["nothing", "operands", "result"]] = "operands"


class ConcatAlong(Along):
    """Values one after the other along an axis that is not that of the channels."""

    moves: ClassVar[bool] = True


class Cut(Foreign):
    """A part of a value: every `step`-th position from `start` on, along each axis."""

    moves: ClassVar[bool] = True

    starts: Extents
    steps: Extents

    def pace(self, axis: int) -> Fraction:
        return Fraction(abs(self.steps[axis + 1]))

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Span | None, ...]:
        step = self.steps[axis + 1]
        if step < 0:
            return (None,)
        return ((self.starts[axis + 1] + span[0] * step, self.starts[axis + 1] + span[1] * step),)

    def shares(self, *xs: Shape, training: bool) -> bool:
        return all(step > 0 for step in self.steps)


class PadEdges(Foreign):
    """Adds positions before and after those along each axis, of a constant or of what lies at the edge."""

    moves: ClassVar[bool] = True

    begins: Extents

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Span | None, ...]:
        before = self.begins[axis + 1]
        return ((span[0] - before, span[1] - before),)


class Rearrange(Foreign):
    """The same numbers at other places: reshape, transpose, space to depth, gather, tile."""

    moves: ClassVar[bool] = True

    function: str
    perm: Extents = ()
    """Of a transposition: which axis of the operand each axis of the result is."""

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Span | None, ...]:
        return tuple(None for _ in xs)

    def shares(self, *xs: Shape, training: bool) -> bool:
        return self.function in ("reshape", "transpose")


class ShuffleChannels(Foreign):
    """The channels in another order."""

    moves: ClassVar[bool] = True


class Resample(Foreign):
    """Another number of positions along each spatial axis.

    Position i of the result lies at a·i + b among those of the operand, along each axis with its own a and b, `steps`
    and `offsets`. It is computed from `taps`: the one before and the one after, or more, or the nearest (`rounding`).
    """

    function: str
    steps: tuple[Fraction, ...]
    offsets: tuple[Fraction, ...]
    taps: int = 1
    """How many positions on each side; 0 for the nearest alone."""
    rounding: Literal["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"] = "floor"

    def pace(self, axis: int) -> Fraction:
        return self.steps[axis]

    def reads(self, axis: int, span: Span, *xs: Shape) -> tuple[Span | None, ...]:
        first, last = (position * self.steps[axis] + self.offsets[axis] for position in span)
        if not self.taps:
            return ((self._nearest(first), self._nearest(last)),)
        return ((floor(first) - self.taps + 1, ceil(last) + self.taps - 1),)

    def _nearest(self, place: Fraction) -> int:
        half = Fraction(1, 2)
        match self.rounding:
            case "floor":
                return floor(place)
            case "ceil":
                return ceil(place)
            case "round_prefer_floor":
                return ceil(place - half)
            case _:
                return floor(place + half)


class Tied(Op):
    """Mixed into an operation that shares stored tensors with an earlier node, which holds them."""

    held: ClassVar[frozenset[str]] = frozenset()

    def weights(self, *xs: Shape) -> Weights:
        return {name: weight for name, weight in super().weights(*xs).items() if name not in self.held}


def tie(op: Op, held: frozenset[str]) -> Op:
    """The same operation without the stored tensors of these names."""
    if not held:
        return op
    own = op.held if isinstance(op, Tied) else frozenset()
    kind = type(op).__bases__[1] if isinstance(op, Tied) else type(op)
    tied: Op = _tied_kind(kind, held | own).model_construct(**dict(op))
    return tied


@cache
def _tied_kind(kind: type[Op], held: frozenset[str]) -> type[Op]:
    name = kind.__name__  # the word for its kind follows from it
    return type(
        name,
        (Tied, kind),
        {
            "__module__": __name__,
            "__qualname__": name,
            "held": held,
            "__annotations__": {"held": ClassVar[frozenset[str]]},
        },
    )


def _kernel_and_bias(shape: Extents, out: int, bias: bool) -> Weights:
    kernel = {"weight": Weight(shape, "he", fan_in=prod(shape[1:]), fan_out=out)}
    return kernel | ({"bias": Weight((out,), 0.0)} if bias else {})
