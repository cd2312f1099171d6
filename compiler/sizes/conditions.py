"""Conditions that must hold of extents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExtentCondition:
    """A condition that must hold of some extents. It may compare them with each other and with `constants`, or divide
    them by `modulus`."""

    holds: Callable[..., bool]
    operands: tuple[int, ...]
    compares: bool = False
    constants: tuple[int, ...] = ()
    modulus: int = 1


def are_equal(*extents: int) -> bool:
    return len(set(extents)) == 1


def can_be_repeated(*extents: int) -> bool:
    return all(extent in (1, max(extents)) for extent in extents)


def differ_evenly(*extents: int) -> bool:
    return len({extent % 2 for extent in extents}) == 1


@dataclass(frozen=True, slots=True)
class Same:
    """A test that an extent is equal to one number, by remainder where there is a modulus."""

    value: int
    modulus: int = 0

    def __call__(self, extent: int) -> bool:
        return (extent - self.value) % self.modulus == 0 if self.modulus else extent == self.value


@dataclass(frozen=True, slots=True)
class AtMost:
    limit: int

    def __call__(self, extent: int) -> bool:
        return extent <= self.limit


def hold(number: int, own: int) -> ExtentCondition:
    """The condition that an extent keeps its own value."""
    return ExtentCondition(Same(own), (number,), compares=True, constants=(own,))


def limit(number: int, most: int) -> ExtentCondition:
    """The condition that an extent is not larger than a number."""
    return ExtentCondition(AtMost(most), (number,), compares=True, constants=(most,))


def divide(number: int, modulus: int, rest: int = 0) -> ExtentCondition:
    """The condition that an extent leaves this rest, divided by the modulus."""
    return ExtentCondition(Same(rest, modulus), (number,), modulus=modulus)
