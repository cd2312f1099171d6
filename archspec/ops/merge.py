"""Operations that make one value of several, and the one that makes a value of none."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import ClassVar, Literal, TypeAlias

from pydantic import Field

from archspec.ops.base import Family, Op
from archspec.ops.bounds import SHARE, Bounds
from archspec.ops.fields import Flag
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import Gradient, Moments, join_doubts, standard
from archspec.ops.signal.runs import align
from archspec.ops.signal.sums import Ties, add_up, concatenate, gather_copies, multiply, repeat_copies
from archspec.ops.values import Draw, Layout, NumberType, OpError, Saved, Shape, count_draws, in_words
from archspec.ops.window import Positions, Span, run

Gains: TypeAlias = tuple[tuple[int, float], ...]
"""Runs of channels, and what each is multiplied by."""

ONE: Gains = ((1, 1.0),)


class Merge(Op):
    """An operation that makes one value of several."""

    family: ClassVar[Family] = "merge"
    arity: ClassVar[int | None] = None

    @abstractmethod
    def infer(self, *xs: Shape) -> Shape: ...


class Sum(Merge):
    """A sum with weights of values of one shape."""

    joins: ClassVar[bool] = True
    sums: ClassVar[bool] = True

    def bound(self, *xs: Bounds) -> Bounds:
        """The bounds of a mean, with whatever weights."""
        return xs[0].hull(*xs[1:])

    def infer(self, *xs: Shape) -> Shape:
        return _one_shape(self, xs)

    @abstractmethod
    def moments(self, *xs: Moments, ties: Ties | None = None) -> Moments: ...


class Repeating(Merge):
    """An operation on the numbers at each position, which may repeat an operand along axes where its extent is 1."""

    @property
    @abstractmethod
    def repeats(self) -> bool:
        """True if it takes operands that it has to repeat."""

    def changes_nothing(self, *xs: Shape) -> str:
        return _tell_single(xs)

    def infer(self, *xs: Shape) -> Shape:
        if not self.repeats:
            return _one_shape(self, xs)
        same_axes = len({x.rank for x in xs}) == 1
        extents = [max(sizes) for sizes in zip(*xs, strict=False)]
        fits = all(size in (1, extent) for x in xs for size, extent in zip(x, extents, strict=False))
        if not (same_axes and fits):
            raise OpError(f"{self.kind} needs equal shapes or extents of 1, found {in_words(xs)}")
        return Shape(*extents)

    def elementwise(self, *xs: Shape) -> int:
        return (len(xs) - 1) * self.infer(*xs).elements

    def partials(self, *xs: Shape) -> tuple[int, ...]:
        wholes = accumulate(xs, lambda whole, x: Shape(*map(max, whole, x)))
        return tuple(whole.elements for whole in wholes)[1:-1]

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        """The layout of the first operand which is not repeated."""
        whole = self.infer(*xs)
        first = next((layout for layout, x in zip(layouts, xs, strict=True) if x == whole), layouts[0])
        return Layout(first.channels_last)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        if not self.repeats:
            return super().input_span(axis, span, *xs)
        extents = [x.space[axis] for x in xs]
        largest = max(extents)
        return tuple(run(span) if extent == largest else None for extent in extents)

    def is_view(self, *xs: Shape, training: bool) -> bool:
        return len(xs) == 1


class OptionalRepeat(Repeating):
    """One that repeats operands where its field says so."""

    repeat: Flag = False

    @property
    def repeats(self) -> bool:
        return self.repeat


class Add(OptionalRepeat, Sum):
    """The sum of values of one shape, or where `repeat` is true, of values that are repeated to one."""

    newer: ClassVar[frozenset[str]] = frozenset({"repeat"})

    def bound(self, *xs: Bounds) -> Bounds:
        return Bounds(sum(x.low for x in xs), sum(x.high for x in xs))

    def multiple(self, operands: int) -> float:
        return 1.0

    def moments(self, *xs: Moments, ties: Ties | None = None) -> Moments:
        return add_up(repeat_copies(xs), ties or Ties.none(len(xs)), 1.0, 1.0, 1.0)

    def gradients(self, gradient: Gradient, *xs: Moments) -> tuple[Gradient, ...]:
        return tuple(gather_copies(gradient, x) for x in xs) if self.repeat else (gradient,) * len(xs)


class Mul(Repeating):
    """The product; an operand with extent 1 along an axis is repeated there, so a gate may be C×1×1 or 1×H×W."""

    @property
    def repeats(self) -> bool:
        return True

    def gated_by(self, shares: Sequence[bool]) -> frozenset[int]:
        """The factors that a gate made."""
        return frozenset(i for i, share in enumerate(shares) if share)

    def bound(self, *xs: Bounds) -> Bounds:
        product = Bounds(1.0, 1.0)
        for x in xs:
            product = product.times(x)
        return product

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The factors: multiplied one after the other, each product with a gradient keeps the other factor: an operand,
        or what the ones before it made."""
        return save_pairs(self, xs, batch, needs, "factors")

    def moments(self, *xs: Moments) -> Moments:
        return multiply(xs)

    def gradients(self, gradient: Gradient, *xs: Moments) -> tuple[Gradient, ...]:
        """The gradients, times the squares of the other factors; what was repeated gathers from all its copies."""
        squares: list[Gains] = [tuple((n, part.second) for n, part in x.runs) for x in xs]
        before = accumulate(squares[:-1], _times, initial=ONE)
        after = [*accumulate(squares[:0:-1], _times, initial=ONE)][::-1]
        gains = map(_times, before, after)
        gradient = replace(gradient, doubts=join_doubts((gradient, *xs), {"product"}))
        return tuple(gather_copies(gradient.by(gain), x) for gain, x in zip(gains, xs, strict=True))


class Mean(Sum):
    """The mean of values of one shape."""

    def changes_nothing(self, *xs: Shape) -> str:
        return _tell_single(xs)

    def elementwise(self, *xs: Shape) -> int:
        return len(xs) * xs[0].elements

    def multiple(self, operands: int) -> float:
        return 1 / operands

    def partials(self, *xs: Shape) -> tuple[int, ...]:
        return (xs[0].elements,) * (len(xs) - 1)

    def moments(self, *xs: Moments, ties: Ties | None = None) -> Moments:
        weight = 1 / len(xs)
        return add_up(xs, ties or Ties.none(len(xs)), weight, weight**2, weight**2)

    def gradients(self, gradient: Gradient, *xs: Moments) -> tuple[Gradient, ...]:
        return (gradient.times(1 / len(xs) ** 2),) * len(xs)


class Shake(Sum):
    """A mean of values of one shape whose weights are drawn while training: forward from all that sum to one, and again
    for the gradients backward; at inference each weighs the same (shake-shake, Gastaldi, 2017).

    With two operands the weights are α and 1 - α, with α uniform in [0, 1].
    """

    draw: Draw = Field("sample", description="draws for each sample, or once for a batch")

    def at_inference(self) -> Op:
        return Mean()

    def elementwise(self, *xs: Shape) -> int:
        return len(xs) * xs[0].elements

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved(full=len(xs) * count_draws(self.draw, batch))

    def moments(self, *xs: Moments, ties: Ties | None = None) -> Moments:
        """The moments for weights that are uniform on the simplex of n: E α² = 2 / (n (n + 1)), E α α' is half of
        it."""
        n = len(xs)
        square, apart = 2 / (n * (n + 1)), (1 / n**2, 1 / n**2)
        shared = apart if self.draw == "sample" else None
        result = add_up(xs, ties or Ties.none(n), 1 / n, square, square / 2, shared)
        return replace(result, normal=result.normal and n == 1)

    def gradients(self, gradient: Gradient, *xs: Moments) -> tuple[Gradient, ...]:
        return (gradient.times(2 / (len(xs) * (len(xs) + 1))),) * len(xs)


class Vote(Merge):
    """The share, at each position, of the operands in which a channel is the largest (the first of equal ones)."""

    differentiable = False

    def bound(self, *xs: Bounds) -> Bounds:
        return SHARE

    def infer(self, *xs: Shape) -> Shape:
        return _one_shape(self, xs)

    def elementwise(self, *xs: Shape) -> int:
        return len(xs) * xs[0].elements

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout()

    def moments(self, *xs: Moments) -> Moments:
        """The moments where each operand names one of the channels, all as likely; that they do so independently is an
        estimate."""
        n, channels = len(xs), xs[0].channels
        pairs = (n - 1) / (n * channels**2)
        law = ChannelMoments(1 / channels, 1 / (n * channels) + pairs, 1 / channels**2)
        return Moments(((channels, law),), xs[0].axes, join_doubts(xs, {"product"}), normal=False, hollow=False)

    def gradients(self, gradient: Gradient, *xs: Moments) -> tuple[Gradient, ...]:
        return (gradient.times(0.0),) * len(xs)


class Concat(Merge):
    """The channels of all operands, in order."""

    joins: ClassVar[bool] = True
    keeps_zeros: ClassVar[bool] = True
    passes_terms: ClassVar[bool] = True

    def bound(self, *xs: Bounds) -> Bounds:
        return xs[0].hull(*xs[1:])

    def changes_nothing(self, *xs: Shape) -> str:
        return _tell_single(xs)

    def infer(self, *xs: Shape) -> Shape:
        if len({x.space for x in xs}) > 1:
            remedy = _hint_at_repeat([x.space for x in xs], "; `fit: repeat` repeats extents of 1")
            raise OpError(f"concat needs equal spatial sizes, found {in_words(xs)}{remedy}")
        return Shape(sum(x.channels for x in xs), *xs[0].space)

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout(all(layout.by_format(xs[0]).channels_last for layout in layouts))

    def is_layout_known(self, layout: Layout, x: Shape) -> bool:
        return layout.is_told(x)

    def moments(self, *xs: Moments) -> Moments:
        return concatenate(xs)

    def gradients(self, gradient: Gradient, *xs: Moments) -> tuple[Gradient, ...]:
        starts = accumulate((x.channels for x in xs), initial=0)
        return tuple(gradient.part(start, x.channels) for start, x in zip(starts, xs, strict=False))


def _tell_single(xs: tuple[Shape, ...]) -> str:
    return "it has one operand" if len(xs) == 1 else ""


def _hint_at_repeat(shapes: Iterable[Sequence[int]], remedy: str) -> str:
    """A remedy for shapes that are equal but for extents of 1, else nothing."""
    found = [*shapes]
    if len({*map(len, found)}) > 1:
        return ""
    alike = all(len({*extents} - {1}) <= 1 for extents in zip(*found, strict=True))
    return remedy if alike else ""


class Input(Op):
    """A value from outside; an entry is an extent or the letter of a dynamic size."""

    family: ClassVar[Family] = "input"
    arity: ClassVar[int | None] = 0
    newer: ClassVar[frozenset[str]] = frozenset({"type"})

    dims: tuple[int | str, ...]
    type: NumberType = "float"

    def infer(self, **sizes: int) -> Shape:
        return Shape(*(sizes[entry] if isinstance(entry, str) else entry for entry in self.dims))

    def moments(self, *xs: Moments, **sizes: int) -> Moments:
        """The moments of standard normal values; those of whole numbers are not known, and nothing asks for them."""
        return standard(self.infer(**sizes))


def _times(a: Gains, b: Gains) -> Gains:
    return tuple((n, x * y) for n, (x, y) in align(a, b))


def _one_shape(op: Merge, xs: tuple[Shape, ...]) -> Shape:
    if len(set(xs)) > 1:
        remedy = "; `fit: repeat` repeats extents of 1" if isinstance(op, Repeating) else ""
        raise OpError(f"{op.kind} needs equal shapes, found {in_words(xs)}{_hint_at_repeat(xs, remedy)}")
    return xs[0]


def save_pairs(
    op: Repeating,
    xs: tuple[Shape, ...],
    batch: int,
    needs: tuple[bool, ...],
    keeps: Literal["factors", "divisor", "both"],
) -> Saved:
    """The operands and intermediate results that two by two are kept: the second where the first wants a gradient, or
    where it is no factor and wants one itself; the first where the second wants one, or both are kept."""
    kept, products, before, wanted = set(), [], xs[0], needs[0]
    for i, x in enumerate(xs[1:], start=1):
        kept |= {i} if wanted or (needs[i] and keeps != "factors") else set()
        if needs[i] or (keeps == "both" and wanted):
            if i == 1:
                kept.add(0)
            else:
                products.append((i, batch * before.elements))
        before, wanted = op.infer(before, x), wanted or needs[i]
    return Saved(tuple(sorted(kept)), products=tuple(products))
