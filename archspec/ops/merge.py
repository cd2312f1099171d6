"""Operations that make one value of several, and the one that makes a value of none."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from archspec.ops.base import Draw, Op, OpError, Shape, in_words


class Merge(Op):
    """One value of several."""

    arity: ClassVar[int | None] = None

    @abstractmethod
    def infer(self, *xs: Shape) -> Shape: ...


class Add(Merge):
    """The sum of values of one shape."""

    def infer(self, *xs: Shape) -> Shape:
        return _one_shape(self, xs)


class Mul(Merge):
    """The product; an operand with extent 1 along an axis is repeated there, so a gate may be C×1×1 or 1×H×W."""

    def infer(self, *xs: Shape) -> Shape:
        same_axes = len({x.rank for x in xs}) == 1
        extents = [max(sizes) for sizes in zip(*xs, strict=False)]
        fits = all(size in (1, extent) for x in xs for size, extent in zip(x, extents, strict=False))
        if not (same_axes and fits):
            raise OpError(f"mul needs equal shapes or extents of 1, found {in_words(xs)}")
        return Shape(*extents)


class Mean(Merge):
    """The mean of values of one shape."""

    def infer(self, *xs: Shape) -> Shape:
        return _one_shape(self, xs)


class Shake(Merge):
    """A mean of values of one shape whose weights are drawn while training: forward from all that sum to one, and again
    for the gradients backward; at inference each weighs the same (shake-shake, Gastaldi, 2017).

    With two operands the weights are α and 1 - α, with α uniform in [0, 1].
    """

    draw: Draw = "sample"

    def infer(self, *xs: Shape) -> Shape:
        return _one_shape(self, xs)


class Vote(Merge):
    """For each position the share of the operands in which a channel is the largest (the first of equal ones)."""

    def infer(self, *xs: Shape) -> Shape:
        return _one_shape(self, xs)


class Concat(Merge):
    """The channels of all operands, in order."""

    def infer(self, *xs: Shape) -> Shape:
        if len({x.space for x in xs}) > 1:
            raise OpError(f"concat needs equal spatial sizes, found {in_words(xs)}")
        return Shape(sum(x.channels for x in xs), *xs[0].space)


class Input(Op):
    """A value from outside; an entry is an extent or the letter of a dynamic size."""

    arity: ClassVar[int | None] = 0

    dims: tuple[int | str, ...]

    def infer(self, **sizes: int) -> Shape:
        return Shape(*(sizes[entry] if isinstance(entry, str) else entry for entry in self.dims))


def _one_shape(op: Merge, xs: tuple[Shape, ...]) -> Shape:
    if len(set(xs)) > 1:
        raise OpError(f"{op.kind} needs equal shapes, found {in_words(xs)}")
    return xs[0]
