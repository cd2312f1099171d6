"""Dynamic sizes that an expression reads, by which they are fixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from archspec.errors import Place
from archspec.spec.expressions import Lookup, Value
from archspec.spec.marked import Written


class SizeValue(int):
    """The value of a dynamic size among the names of a scope: whoever reads it can tell that it is one."""

    letter: str

    def __new__(cls, letter: str, value: int) -> SizeValue:
        size = super().__new__(cls, value)
        size.letter = letter
        return size


class SizeReader:
    """The sizes of a network, and where expressions read them. What follows from the value of a size holds at that
    value alone, so that the network is elaborated once more with the size as a fixed number."""

    def __init__(self, sizes: Mapping[str, int], fixed: Mapping[str, Place]) -> None:
        self.fixed = fixed
        """The sizes that are known to be read, with the first place."""
        self.free = {letter: value for letter, value in sizes.items() if letter not in fixed}
        self.values = {letter: value for letter, value in sizes.items() if letter in fixed}
        self.letters = frozenset(sizes)
        self.read: dict[str, Place] = {}
        """The free sizes that were read on this walk."""

    def list_names(self) -> dict[str, int]:
        """List the sizes as names that expressions of the network itself may use."""
        return {**self.values, **{letter: SizeValue(letter, value) for letter, value in self.free.items()}}

    def follow(self, lookup: Lookup, of: Written, *path: Any) -> Lookup:
        """Make a lookup that keeps, for an expression at a path in what was written, which sizes it reads."""

        def look_up(name: str) -> Value:
            value = lookup(name)
            if isinstance(value, SizeValue):
                self.keep([value.letter], of.place_of(*path))
                return int(value)
            return value

        return look_up

    def keep(self, letters: Iterable[str], place: Place) -> None:
        """Keep that something at this place holds only at the values that these sizes have."""
        for letter in letters:
            self.read.setdefault(letter, place)

    def tell(self) -> tuple[str, ...]:
        """Tell which sizes are fixed, a sentence each."""
        return tuple(
            f"{letter} is {self.values[letter]}, and not dynamic: an expression reads it at {place}"
            for letter, place in self.fixed.items()
        )
