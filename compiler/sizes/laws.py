"""Laws: how one extent follows from others, and how it goes on beyond those that were looked at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import TypeAlias

from archspec.ops import Op, OpError, Shape

MAX_REMAINDERS = 64
"""The largest period, in positions, of which every remainder is looked at to find operations of one function."""

Rates: TypeAlias = frozenset[Fraction]
"""The numbers of positions that an extent may grow for each of a size: several, where it is a largest or smallest of
extents."""


@dataclass(frozen=True, slots=True)
class Law(ABC):
    """A law says how an extent follows from others. A result of None says that there is none: they do not fit."""

    compares = False
    """True if it asks which of its operands is larger."""

    @abstractmethod
    def __call__(self, *extents: int) -> int | None: ...

    def grow(self, *rates: Rates) -> Rates | None:
        """Give the result's rates for operands with these; None where nothing is known."""
        return None

    def degree(self, *degrees: int) -> int:
        return max(degrees, default=0)

    @property
    def divisor(self) -> int:
        """A number of positions of an operand that changes the result by whole numbers, whatever is rounded, and does
        not change whether there is one."""
        return 1

    @property
    def refuses(self) -> bool:
        """True if some operands have no result."""
        return False


@dataclass(frozen=True, slots=True)
class ConstantLaw(Law):
    value: int

    def __call__(self, *extents: int) -> int:
        return self.value

    def grow(self, *rates: Rates) -> Rates:
        return frozenset({Fraction(0)})


@dataclass(frozen=True, slots=True)
class SizeLaw(Law):
    """The law of a dynamic size itself: it follows from its value."""

    name: str

    def __call__(self, *extents: int) -> int:
        (value,) = extents
        return value

    def grow(self, *rates: Rates) -> Rates:
        return frozenset({Fraction(1)})

    def degree(self, *degrees: int) -> int:
        return 1


@dataclass(frozen=True, slots=True, eq=False)
class LayerLaw(Law):
    """The law of an extent that a layer makes of one, by its shape rule at another extent of a shape that fits."""

    op: Op
    x: Shape
    position: int
    stride_fraction: Fraction | None
    """The stride fraction; None where the result stays the same from the own extent on."""
    known: dict[int, int | None] = field(default_factory=dict)

    def __call__(self, *extents: int) -> int | None:
        (extent,) = extents
        if extent not in self.known:
            shape = self.infer(extent)
            self.known[extent] = None if shape is None else shape[self.position]
        return self.known[extent]

    def infer(self, extent: int) -> Shape | None:
        try:
            found: Shape = self.op.infer(replace_extent(self.x, self.position, extent))
        except OpError:
            return None
        return found

    def grow(self, *rates: Rates) -> Rates:
        return frozenset(rate / self.stride_fraction if self.stride_fraction else Fraction(0) for rate in rates[0])

    @property
    def divisor(self) -> int:
        return self.stride_fraction.numerator if self.stride_fraction else 1

    @property
    def refuses(self) -> bool:
        return self.divisor > MAX_REMAINDERS or any(self(extent) is None for extent in range(1, self.divisor + 1))

    def describe(self) -> object:
        """Give what it has in common with those that have the same results."""
        own = self.x[self.position]
        if self.stride_fraction is None or self.stride_fraction.numerator > MAX_REMAINDERS:
            return id(self.op), self.x, self.position
        step, more = self.stride_fraction.numerator, self.stride_fraction.denominator
        start = -(-own // step) * step
        found = [self(start + i) for i in range(step)]
        offsets = tuple(None if extent is None else extent - start // step * more for extent in found)
        return self.stride_fraction, offsets, self._find_least(own)

    def _find_least(self, own: int) -> int:
        low, high = 0, own
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self(middle) is not None else (middle, high)
        return high

    def follows_stride(self) -> bool:
        """Tell whether larger extents do as its stride fraction says, and leave all others alone."""
        own = self.x[self.position]
        at_own = self.infer(own)
        if at_own is None or not self.stride_fraction:
            return False
        step, more = self.stride_fraction.numerator, self.stride_fraction.denominator
        for i in range(min(step, MAX_REMAINDERS)):
            now, *later = (self.infer(own + i + turn * step) for turn in range(3))
            for turn, shape in enumerate(later, start=1):
                if (shape is None) != (now is None):
                    return False
                if now and shape != replace_extent(now, self.position, now[self.position] + turn * more):
                    return False
        return True

    def stays(self) -> bool:
        """Tell whether larger extents do not change the result."""
        own = self.x[self.position]
        return len({self.infer(own + more) for more in (0, 1, 2, 3, 7, 100)}) == 1


def replace_extent(shape: Shape, position: int, extent: int) -> Shape:
    return Shape(*shape[:position], extent, *shape[position + 1 :])


@dataclass(frozen=True, slots=True)
class ExtremeLaw(Law):
    """The law of the smallest or the largest of several extents."""

    choose: Callable[[Iterable[int]], int]
    compares = True

    def __call__(self, *extents: int) -> int:
        return self.choose(extents)

    def grow(self, *rates: Rates) -> Rates:
        return frozenset[Fraction]().union(*rates)


@dataclass(frozen=True, slots=True)
class ProductLaw(Law):
    """The law of the length of a vector that was laid out of a map."""

    factor: int

    def __call__(self, *extents: int) -> int:
        return self.factor * prod(extents)

    def grow(self, *rates: Rates) -> Rates | None:
        return frozenset(self.factor * rate for rate in rates[0]) if len(rates) == 1 else None

    def hold(self, still: Iterable[int]) -> ProductLaw:
        """The law of the other operands, while these keep their values."""
        return ProductLaw(self.factor * prod(still))

    def degree(self, *degrees: int) -> int:
        return sum(degrees)


@dataclass(frozen=True, slots=True)
class MultipleLaw(Law):
    """The law of an extent that was padded to a multiple of a size."""

    size: int

    def __call__(self, *extents: int) -> int:
        (extent,) = extents
        return -(-extent // self.size) * self.size

    def grow(self, *rates: Rates) -> Rates:
        return rates[0]

    @property
    def divisor(self) -> int:
        return self.size


@dataclass(frozen=True, slots=True)
class SumLaw(Law):
    """The law of the length of several vectors, one behind the other."""

    more: int

    def __call__(self, *extents: int) -> int:
        return self.more + sum(extents)

    def grow(self, *rates: Rates) -> Rates | None:
        return frozenset({sum(map(min, rates), Fraction(0))}) if all(len(rate) == 1 for rate in rates) else None


@dataclass(frozen=True, slots=True)
class ShapeLaw(Law):
    """The law of an extent that may depend on the whole shape; nothing is known of it but what the layer says of
    each."""

    op: Op
    position: int

    def __call__(self, *extents: int) -> int | None:
        try:
            return int(self.op.infer(Shape(*extents))[self.position])
        except OpError:
            return None

    @property
    def refuses(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Extent:
    """One extent: its law, the numbers of those it follows from, the sizes it depends on, and its value at the graph's
    own sizes."""

    law: Law
    operands: tuple[int, ...]
    letters: frozenset[str]
    own: int
