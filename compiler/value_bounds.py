"""Between which numbers the values of a network lie, whatever its input and its learned weights, at training or at
inference: what makes an activation idle, or a sum one that only grows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import singledispatch
from math import inf, isfinite, prod
from typing import NamedTuple

from archspec.ops import (
    Add,
    AvgPool,
    Concat,
    Crop,
    Dropout,
    Elu,
    Flatten,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    MaxPool,
    Mean,
    Mul,
    Op,
    PadChannels,
    PadSpace,
    Prelu,
    Relu,
    Relu6,
    Scale,
    Shake,
    ShakeDrop,
    Shift,
    Sigmoid,
    Silu,
    Softmax,
    Softplus,
    StochasticDepth,
    Tanh,
    Upsample,
    Vote,
)
from archspec.ops.activation import Scalar
from archspec.ops.pooling import GlobalPool
from compiler.graph import Graph, Node


class Bounds(NamedTuple):
    """The smallest and the largest number that a value may hold; infinite where nothing is known."""

    low: float = -inf
    high: float = inf

    def hull(self, *others: Bounds) -> Bounds:
        """What holds all of them."""
        every = (self, *others)
        return Bounds(min(one.low for one in every), max(one.high for one in every))

    def meet(self, other: Bounds) -> Bounds:
        """What lies in both, where both are true."""
        return Bounds(max(self.low, other.low), min(self.high, other.high))

    def times(self, other: Bounds) -> Bounds:
        """The products of their numbers."""
        ends = [_multiply(a, b) for a in self for b in other]
        return Bounds(min(ends), max(ends))

    def power(self, count: int) -> Bounds:
        """The products of one number with itself."""
        low, high = (prod([end] * count) for end in self)  # where ** would overflow, it is infinite
        if count % 2:
            return Bounds(low, high)
        return Bounds(0.0 if self.low <= 0 <= self.high else min(low, high), max(low, high))


UNKNOWN, ZERO = Bounds(), Bounds(0.0, 0.0)
SHARE = Bounds(0.0, 1.0)

IMAGES: dict[type[Op], Bounds] = {
    Relu: Bounds(0.0, inf),
    Relu6: Bounds(0.0, 6.0),
    Sigmoid: SHARE,
    HardSigmoid: SHARE,
    Softmax: SHARE,
    Vote: SHARE,
    Softplus: Bounds(0.0, inf),
    Tanh: Bounds(-1.0, 1.0),
    Gelu: Bounds(-0.18, inf),
    Silu: Bounds(-0.28, inf),
    HardSwish: Bounds(-0.376, inf),
}
"""Between which numbers lies what an operation gives, whatever it is given; of those that first fall and then rise, a
little below their least number."""

STRAIGHT = (Relu, LeakyRelu, Prelu, Elu)
"""What changes no number above zero."""


def find_bounds(graph: Graph) -> dict[str, Bounds]:
    """The bounds of every node's values."""
    bounds: dict[str, Bounds] = {}
    for node in graph:
        bounds[node.id] = bound_node(node, [bounds[operand] for operand in node.data_inputs])
    return bounds


def is_idle(op: Op, x: Bounds) -> bool:
    """Whether an activation changes no number within these bounds."""
    return x.low >= 0 and (isinstance(op, STRAIGHT) or (isinstance(op, Relu6) and x.high <= 6))


def bound_node(node: Node, operands: Sequence[Bounds]) -> Bounds:
    """The bounds of a node's values, for operands within these."""
    if isinstance(node.op, Mul):  # a value times itself is a square
        powers = Counter(node.data_inputs)
        found = dict(zip(node.data_inputs, operands, strict=True))
        product = Bounds(1.0, 1.0)
        for id, count in powers.items():
            product = product.times(found[id].power(count))
        return product
    return _bound(node.op, *operands)


@singledispatch
def _bound(op: Op, *xs: Bounds) -> Bounds:
    return IMAGES.get(type(op), UNKNOWN)


@_bound.register
def _(op: Scalar, x: Bounds) -> Bounds:
    """What rises lies between what it makes of the ends."""
    return IMAGES.get(type(op), UNKNOWN).meet(Bounds(*(op.curve(end) if isfinite(end) else end for end in x)))


@_bound.register(Gelu | Silu | HardSwish)
def _(op: Op, x: Bounds) -> Bounds:
    return IMAGES[type(op)] if x.low < 0 else Bounds(0.0, x.high)


@_bound.register(LeakyRelu | Prelu | Elu)
def _(op: LeakyRelu | Prelu | Elu, x: Bounds) -> Bounds:
    if x.low >= 0:
        return x
    if isinstance(op, Prelu):
        return UNKNOWN  # its slopes are learned
    below = op.slope if isinstance(op, LeakyRelu) else op.alpha
    if below < 0:
        return Bounds(0.0, inf)
    low = op.curve(x.low) if isfinite(x.low) else -below * (inf if isinstance(op, LeakyRelu) and below else 1)
    return Bounds(low, max(0.0, x.high))


@_bound.register(MaxPool | GlobalPool | Upsample | Flatten | Crop)
def _(op: Op, x: Bounds, *others: Bounds) -> Bounds:
    return x


@_bound.register(AvgPool)
def _(op: AvgPool, x: Bounds) -> Bounds:
    return x.hull(ZERO) if op.window.padding else x  # zeros count with the others


@_bound.register(PadChannels | PadSpace)
def _(op: Op, x: Bounds, *others: Bounds) -> Bounds:
    return x.hull(ZERO)


@_bound.register
def _(op: Scale, x: Bounds) -> Bounds:
    return UNKNOWN if op.trainable else x.times(Bounds(op.value, op.value))


@_bound.register
def _(op: Shift, x: Bounds) -> Bounds:
    return UNKNOWN if op.trainable else Bounds(x.low + op.value, x.high + op.value)


@_bound.register
def _(op: Dropout, x: Bounds) -> Bounds:
    kept = 1 - op.rate
    return x.hull(ZERO, x.times(Bounds(1 / kept, 1 / kept)) if kept else ZERO)


@_bound.register
def _(op: StochasticDepth, x: Bounds) -> Bounds:
    largest = 1 / op.survival if op.rescale and op.survival else 1.0
    return x.hull(ZERO, x.times(Bounds(largest, largest)))


@_bound.register
def _(op: ShakeDrop, x: Bounds) -> Bounds:
    return x.times(Bounds(-1.0, 1.0))


@_bound.register(Add)
def _(op: Add, *xs: Bounds) -> Bounds:
    return Bounds(sum(x.low for x in xs), sum(x.high for x in xs))


@_bound.register(Concat | Mean | Shake)
def _(op: Op, *xs: Bounds) -> Bounds:
    return xs[0].hull(*xs[1:])


def _multiply(a: float, b: float) -> float:
    return 0.0 if 0 in (a, b) else a * b  # also where the other is infinite: it stands for large numbers
