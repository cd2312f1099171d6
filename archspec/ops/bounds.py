"""Intervals in which values lie, as `Op.bound` speaks of them."""

from __future__ import annotations

from math import inf, prod
from typing import NamedTuple


class Bounds(NamedTuple):
    """The smallest and the largest number that a value may hold; infinite where nothing is known."""

    low: float = -inf
    high: float = inf

    def hull(self, *others: Bounds) -> Bounds:
        """The smallest interval that holds all of them."""
        every = (self, *others)
        return Bounds(min(one.low for one in every), max(one.high for one in every))

    def meet(self, other: Bounds) -> Bounds:
        """The interval that lies in both, where both are true."""
        return Bounds(max(self.low, other.low), min(self.high, other.high))

    def holds(self, other: Bounds) -> bool:
        """True if all numbers of the other interval lie in this one."""
        return self.low <= other.low and other.high <= self.high

    def times(self, other: Bounds) -> Bounds:
        """The products of their numbers."""
        ends = [_multiply(a, b) for a in self for b in other]
        return Bounds(min(ends), max(ends))

    def scaled(self, factor: float) -> Bounds:
        """The numbers times a factor."""
        return self.times(Bounds(factor, factor))

    def power(self, count: int) -> Bounds:
        """The products of one number with itself."""
        low, high = (prod([end] * count) for end in self)  # where ** would overflow, it is infinite
        if count % 2:
            return Bounds(low, high)
        return Bounds(0.0 if self.low <= 0 <= self.high else min(low, high), max(low, high))


UNKNOWN = Bounds()
ZERO = Bounds(0.0, 0.0)
SHARE = Bounds(0.0, 1.0)
POSITIVE = Bounds(0.0, inf)
NEGATIVE = Bounds(-inf, 0.0)


def _multiply(a: float, b: float) -> float:
    return 0.0 if 0 in (a, b) else a * b  # also where the other is infinite: it stands for large numbers
