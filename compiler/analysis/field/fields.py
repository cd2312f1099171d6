"""The receptive field of one node, that of an output, and merges whose operands do not look at the same places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

from archspec.ops import Span
from compiler.analysis.certainty import Mark


@dataclass(frozen=True, slots=True)
class NodeField:
    """The receptive field of one node on one input; an entry for each spatial axis."""

    node: str
    input: str
    size: tuple[int, ...]
    """The number of input positions from the first to the last that one position sees: the most, where positions
    differ. A whole map that is seen (gates behind global pooling, statistics of a map) counts as far as the input has
    it."""
    local: tuple[int, ...]
    """The field without what is seen only through a whole map."""
    stride: tuple[Fraction, ...]
    """The distance, in input positions, at which neighbours look."""
    centre: tuple[Fraction, ...]
    """The input position at the middle of what position 0 sees."""

    def to_dict(self) -> dict[str, Any]:
        numbers = {name: [*map(_to_number, getattr(self, name))] for name in ("size", "stride", "centre", "local")}
        return numbers | {"node": self.node, "input": self.input}


@dataclass(frozen=True, slots=True)
class OutputField:
    """The field of the last node before an output whose positions still have a place in the input."""

    field: NodeField
    clipped: tuple[Span, ...] | None
    """The first and the last input position, along each axis, that the middle position of the map really sees: what
    padding and borders cut off is not among them, what is seen through a whole map is. It is empty where the position
    sees nothing, and None where it was not looked for: a large network has too many outputs."""
    seen: int | None
    """The number of input positions that it really sees: dilated kernels leave gaps. None as above."""
    narrowest: tuple[int | None, ...]
    """The size by the path that sees least. None where it was not found: too many ways differ, or as above."""
    marks: Mapping[str, Mark]
    """The marks of those that are bounds, by their keys in `to_dict()`."""

    @property
    def has_gaps(self) -> bool:
        """True if some positions between the first and the last are not seen."""
        return bool(self.clipped) and self.seen != prod(hi - lo + 1 for lo, hi in self.clipped or ())

    def to_dict(self) -> dict[str, Any]:
        clipped = None if self.clipped is None else [list(span) for span in self.clipped]
        return {
            **self.field.to_dict(),
            "clipped": clipped,
            "seen": self.seen,
            "narrowest": list(self.narrowest),
        }


@dataclass(frozen=True, slots=True)
class Misalignment:
    """A merge whose operands do not look at the same places: their strides differ, or their centres."""

    node: str
    input: str
    operands: tuple[str, ...]
    strides: tuple[tuple[Fraction, ...], ...]
    centres: tuple[tuple[Fraction, ...], ...]
    grain: Fraction = Fraction(0)
    """The distance at which neighbours look on the coarsest map that some operands come from and others do not."""

    @property
    def offsets(self) -> tuple[tuple[Fraction, ...], ...]:
        """The distances, in input positions, of each operand's centres beyond the first one's."""
        first = self.centres[0]
        return tuple(tuple(own - other for own, other in zip(centre, first, strict=True)) for centre in self.centres)

    @property
    def slight(self) -> bool:
        """True if neighbours lie equally far apart, and the centres by less than they do, or did on a coarser map that
        one way led through: position i of all operands still stands for the same cell of the input, as behind doubling
        by repetition, which moves the centres by half a position each time."""
        first = self.strides[0]
        steps = [max(step, self.grain) for step in first]
        near = all(abs(gap) < step for offset in self.offsets for gap, step in zip(offset, steps, strict=True))
        return near and len(set(self.strides)) == 1

    def to_dict(self) -> dict[str, Any]:
        rows = {"strides": self.strides, "offsets": self.offsets}
        told = {name: [[*map(_to_number, row)] for row in value] for name, value in rows.items()}
        return {"node": self.node, "input": self.input, "operands": list(self.operands), **told}


def _to_number(value: Fraction | int) -> int | float:
    return int(value) if value == int(value) else float(value)
