"""Polynomials in z whose coefficients count things by length: exact integers of any size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

MAX_TERMS = 16
"""The largest number of terms, besides the first, of a polynomial whose powers are computed a coefficient at a time."""


@dataclass(frozen=True)
class Polynomial:
    """Σ coefficients[k] · z^(shift + k); no coefficient is negative, and the first and the last are not zero."""

    shift: int = 0
    coefficients: tuple[int, ...] = (1,)

    @cached_property
    def by_length(self) -> dict[int, int]:
        """The coefficients that are not zero, by power."""
        return {self.shift + power: count for power, count in enumerate(self.coefficients) if count}

    def __mul__(self, other: Polynomial) -> Polynomial:
        """The product: each polynomial is packed into one integer, z = 256^width, and integers multiply fast."""
        if other.coefficients == (1,):
            return Polynomial(self.shift + other.shift, self.coefficients)
        width = _width(sum(self.coefficients) * sum(other.coefficients))
        product = pack(self.coefficients, width) * pack(other.coefficients, width)
        return Polynomial(self.shift + other.shift, unpack(product, width))

    def __pow__(self, n: int) -> Polynomial:
        """The n-th power; of few terms a coefficient at a time, since with p q' = n p' q for q = p^n each follows from
        those before it (Euler; Knuth, The Art of Computer Programming 2, section 4.7)."""
        first, *rest = self.coefficients
        terms = [(i, count) for i, count in enumerate(rest, start=1) if count]
        if n == 1 or len(terms) > MAX_TERMS:
            width = _width(sum(self.coefficients) ** n)
            power = list(unpack(pack(self.coefficients, width) ** n, width))
        else:
            power = [first**n]
            for k in range(1, len(rest) * n + 1):
                total = sum((i * (n + 1) - k) * count * power[k - i] for i, count in terms if i <= k)
                power.append(total // (k * first))
        return Polynomial(self.shift * n, tuple(power))


def multiply(factors: Iterable[Polynomial]) -> Polynomial:
    """Multiply many: equal ones as a power, the others in a balanced tree."""
    factors = list(factors)
    same = {id(factor): factor for factor in factors}  # most are one object, which spares hashing them
    equal: Counter[Polynomial] = Counter()
    for key, times in Counter(map(id, factors)).items():
        equal[same[key]] += times
    products = [factor**times for factor, times in equal.items()]
    while len(products) > 1:
        pairs = zip(products[::2], products[1::2], strict=False)
        products = [a * b for a, b in pairs] + products[len(products) // 2 * 2 :]
    return products[0] if products else Polynomial()


def pack(coefficients: Iterable[int], width: int) -> int:
    """Pack the coefficients into one integer with `width` bytes for each, which has to fit into them."""
    return int.from_bytes(b"".join(count.to_bytes(width, "little") for count in coefficients), "little")


def unpack(value: int, width: int) -> tuple[int, ...]:
    """Read the coefficients in a packed integer."""
    data = value.to_bytes(-(-value.bit_length() // 8), "little")
    return tuple(int.from_bytes(data[start : start + width], "little") for start in range(0, len(data), width))


def _width(count: int) -> int:
    """Count the bytes that hold a count."""
    return count.bit_length() // 8 + 1
