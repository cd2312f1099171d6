"""Functions of several values at each position: differences, quotients, the largest and the smallest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from archspec.ops.bounds import UNKNOWN, Bounds
from archspec.ops.merge import OptionalRepeat, Sum, save_pairs
from archspec.ops.signal.largest import pass_larger
from archspec.ops.signal.moments import PRODUCT, Gradient, Moments, join_doubts
from archspec.ops.signal.runs import align, join
from archspec.ops.signal.sums import Ties, add_up, gather_copies, repeat_copies, weigh_narrow
from archspec.ops.values import Saved, Shape


class Sub(OptionalRepeat, Sum):
    """The first value minus all others, of one shape; where `repeat` is true they are repeated to it."""

    def bound(self, *xs: Bounds) -> Bounds:
        return Bounds(xs[0].low - sum(x.high for x in xs[1:]), xs[0].high - sum(x.low for x in xs[1:]))

    def moments(self, *xs: Moments, ties: Ties | None = None) -> Moments:
        """The moments of a sum in which all terms but the first are negative."""
        first, *others = repeat_copies(xs)
        negative = [other.times(-1.0, 1.0, 1.0, chance=other.chance) for other in others]
        known = ties or Ties.none(len(xs))
        signs = (1.0, *[-1.0] * len(others))
        factors = tuple([sign * factor for sign, factor in zip(signs, known.factors, strict=True)])
        return add_up([first, *negative], known._replace(factors=factors), 1.0, 1.0, 1.0)

    def gradients(self, gradient: Gradient, *xs: Moments) -> tuple[Gradient, ...]:
        return tuple(gather_copies(gradient, x) for x in xs)


class Div(OptionalRepeat):
    """The first value divided by all others, of one shape; where `repeat` is true they are repeated to it.

    Of its moments nothing is known: they hang on how near to zero the divisor comes.
    """

    def gated_by(self, shares: Sequence[bool]) -> frozenset[int]:
        """The divisors, which set how much of the dividend passes."""
        return frozenset(range(1, len(shares)))

    def bound(self, *xs: Bounds) -> Bounds:
        """The quotients, where no divisor can be zero."""
        found = xs[0]
        for x in xs[1:]:
            if x.low <= 0 <= x.high:
                return UNKNOWN
            found = found.times(Bounds(1 / x.high, 1 / x.low))
        return found

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The divisors, and what a divisor with a gradient divides."""
        return save_pairs(self, xs, batch, needs, "divisor")


class Extreme(OptionalRepeat):
    """The largest or the smallest of values of one shape, at each position."""

    sign: ClassVar[float]
    """1 for the largest; -1 for the smallest, which is the largest of the negatives, turned again."""

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """Both of each two that are compared, where one of them wants a gradient."""
        return save_pairs(self, xs, batch, needs, "both")

    def moments(self, *xs: Moments) -> Moments:
        """The moments of independent values; of more than two, as if the larger of the first were normal."""
        first, *others = repeat_copies(xs)
        for other in others:
            first = self._meet(first, other)
        return first

    def _meet(self, a: Moments, b: Moments) -> Moments:
        runs = join((n, pass_larger(self.sign, *parts).part) for n, parts in align(a.runs, b.runs))
        doubts = join_doubts((a, b), PRODUCT if a.normal and b.normal else {*PRODUCT, "shape"})
        narrow = weigh_narrow([(x.whole.second, x.narrow) for x in (a, b)])
        return Moments(runs, a.axes, doubts, normal=False, hollow=False, narrow=narrow, least=min(a.least, b.least))

    def gradients(self, gradient: Gradient, *xs: Moments) -> tuple[Gradient, ...]:
        """The gradients: each operand gets all where it is the one that is given, and nothing elsewhere."""
        first, *others = repeat_copies(xs)
        shares = [[(first.channels, 1.0)]]
        for other in others:
            chosen = [(n, pass_larger(self.sign, *parts).gain) for n, parts in align(first.runs, other.runs)]
            shares = [[(n, share * kept) for n, (share, kept) in align(row, chosen)] for row in shares]
            shares.append([(n, 1 - kept) for n, kept in chosen])
            first = self._meet(first, other)
        sent = (gradient.by(row, doubts=join_doubts((gradient, *xs), PRODUCT)) for row in shares)
        return tuple(gather_copies(part, x) for part, x in zip(sent, xs, strict=True))


class Max(Extreme):
    """The largest of values of one shape, at each position; where `repeat` is true they are repeated to it."""

    sign: ClassVar[float] = 1.0

    def bound(self, *xs: Bounds) -> Bounds:
        return Bounds(max(x.low for x in xs), max(x.high for x in xs))


class Min(Extreme):
    """The smallest of values of one shape, at each position; where `repeat` is true they are repeated to it."""

    sign: ClassVar[float] = -1.0

    def bound(self, *xs: Bounds) -> Bounds:
        return Bounds(min(x.low for x in xs), min(x.high for x in xs))
