"""Doubts: why a number of the predicted signal is an estimate, and how far off such numbers were found to be.

`docs/estimates.py` measures the zoo and networks at random and writes `estimates.json`, which is read here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from archspec.ops.signal.moments import Doubt, Gradient, Moments

DOUBTS: Mapping[Doubt, str] = {
    "border": "borders, and zeros between values, are not spread alike over positions or branches",
    "coupled": "values that are added, or gradients that meet, share more than their means",
    "dropped": "chance sets whole samples to zero, which a normalization or an activation treats apart",
    "few": "statistics are of few values",
    "kinds": "channels are of too many kinds, and neighbours are averaged",
    "narrow": "layers are narrow for their number: one draw of the weights is not like another",
    "product": "factors, gates and shares are taken as independent",
    "shape": "values are taken as normal before an activation, and are not",
    "window": "values in a window or a map are taken to share no more than samples do",
}
NARROW = 0.05
"""The sum of 1 / width over layers, counted as `Moments.narrow` has it, from which on a number is an estimate."""
UNEVEN = 0.1
"""The sum of `Gradient.edges` from which on a gradient is an estimate."""
DEPTHS = (10, 30)
"""The numbers of layers with weights by which networks are told apart: up to the first, up to the second, and more."""
MEASURED = Path(__file__).with_name("estimates.json")


def find_doubts(value: Moments | Gradient) -> tuple[Doubt, ...]:
    """List all doubts about it, in alphabetical order."""
    narrow = value.narrow > NARROW
    uneven = isinstance(value, Gradient) and value.edges > UNEVEN
    if not (value.doubts or narrow or uneven):
        return ()
    more: set[Doubt] = {"narrow"} if narrow else set()
    return tuple(sorted(value.doubts | more | ({"border"} if uneven else set())))


@dataclass(frozen=True, slots=True)
class ErrorFactors:
    """The distances of numbers from the measured ones: a factor up or down, of half of them, of nine in ten, and of
    all."""

    numbers: int
    half: float
    most: float
    worst: float

    def __str__(self) -> str:
        numbers = "number" if self.numbers == 1 else "numbers"
        most, worst = in_digits(self.most), in_digits(self.worst)
        return f"within a factor of {most} in 90 %, {worst} at worst, of {self.numbers:,} {numbers}"


def in_digits(factor: float) -> str:
    """Write a factor in at most three digits.

    >>> in_digits(1.2345), in_digits(34.7), in_digits(84_213.0)
    ('1.23', '35', '8e+04')
    """
    return f"{factor:.3g}" if factor < 10 else f"{factor:.0f}" if factor < 1000 else f"{factor:.0e}"


def name_depth(layers: int) -> str:
    """Name the networks among which a network with so many layers is counted."""
    low, high = DEPTHS
    return f"up to {low}" if layers <= low else f"{low + 1} to {high}" if layers <= high else f"more than {high}"


def how_far(doubt: Doubt | None, of: str, depth: str) -> ErrorFactors | None:
    """Find how far off `values` or `gradients` with this doubt, or without any, were in networks of this depth; None
    where none was measured."""
    row = read_measured()["rows"].get(f"{doubt or 'law'}, {of}, {depth}")
    return ErrorFactors(**row) if row else None


@cache
def read_measured() -> dict[str, Any]:
    """Read what `docs/estimates.py` wrote: the number of networks, and the `rows` of its table."""
    found: dict[str, Any] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return found


def explain(doubts: Mapping[str, Collection[Doubt]], layers: int) -> Iterator[str]:
    """Write a line for each doubt about `values` and `gradients`: what it means, and how far off such numbers were
    found to be in networks of this depth."""
    depth = name_depth(layers)
    for doubt in sorted(set().union(*doubts.values())):
        sides = [of for of, about in doubts.items() if doubt in about]
        found = "; ".join(f"{of} {how_far(doubt, of, depth) or 'not measured'}" for of in sides)
        yield f"{doubt}: {DOUBTS[doubt]}; {found}"
