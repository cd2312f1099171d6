"""Places between the positions of an operand, along one axis: where they lie, what is read there, and what that makes
of moments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import Literal, TypeAlias

from archspec.ops.signal.axis import MAX_AXIS, Axis, even_out
from archspec.ops.values import ONE
from archspec.ops.window import Positions, Span, run

Mode: TypeAlias = Literal["nearest", "linear", "cubic"]
"""The ways to compute a value between positions: that of the one before it, or a mean of the nearest two or four."""

Corners: TypeAlias = Literal["half", "aligned"]
"""The two ways to lay one axis on another: its whole length on the other's, or its first and last position."""

TAPS = {"nearest": 1, "linear": 2, "cubic": 4}
"""The number of positions, along one axis, that a value is computed from."""
SHARPNESS = -0.75
"""The one parameter of the cubic kernel (Keys, 1981), as torch and ONNX have it."""
OVERSHOOT = 1.375
"""The largest sum of the magnitudes of a cubic kernel's weights, halfway between two positions."""


@dataclass(frozen=True)
class AxisSampling:
    """The sampling of `old` positions at `new` places: place i lies at i · `step` + `offset`."""

    mode: Mode
    old: int
    new: int
    step: Fraction
    offset: Fraction

    @classmethod
    def make(cls, mode: Mode, corners: Corners, old: int, new: int, scale: Fraction | None = None) -> AxisSampling:
        """Make the sampling of an axis, as torch has it: `scale` places lie on one position, or new / old unless it is
        given."""
        if corners == "aligned":
            return cls(mode, old, new, Fraction(old - 1, new - 1) if new > 1 else ONE, Fraction(0))
        step = 1 / scale if scale else Fraction(old, new)
        return cls(mode, old, new, step, Fraction(0) if mode == "nearest" else (step - 1) / 2)

    def input_span(self, span: Span) -> Positions | None:
        """The positions that the places of `span` are computed from; None where all are the one that there is."""
        if not self.step:
            return None
        if span[0] == span[1] or (self.step <= 1 and self.mode != "cubic"):  # what neighbours read touches
            return run((self._find_taps(span[0])[0], self._find_taps(span[1])[1]))
        taps = map(self._find_taps, range(span[0], span[1] + 1))
        return (range(low, high + 1) for low, high in taps)

    def _find_taps(self, place: int) -> Span:
        """The first and the last position that a place is computed from: a single one where it lies on that."""
        at = place * self.step + self.offset
        before = floor(at)
        if self.mode == "nearest" or at == before:
            return before, before
        return (before, before + 1) if self.mode == "linear" else (before - 1, before + 2)

    @property
    def square(self) -> float:
        """The mean over places of the sum of squared weights."""
        return 1.0 if self.mode == "nearest" else _mean_square(self)

    def gather(self, axis: Axis) -> tuple[float, Axis]:
        """The spread of a second moment over the places, and its mean, as the position before each has it."""
        times, rest = divmod(self.new, self.old)
        if not rest:
            return 1.0, axis.repeat(times)
        if axis.profile is None or max(self.old, self.new) > MAX_AXIS:
            return 1.0, Axis(self.new, exact=axis.exact and axis.profile is None)
        return even_out([axis.profile[source] for source in self._list_sources()], exact=False)

    def spread(self, axis: Axis) -> tuple[float, Axis]:
        """The spread of the reverse: each position gets what the places behind it have; and its mean."""
        times, rest = divmod(self.new, self.old)
        if not rest:
            return float(times), axis.merge(times)
        if max(self.old, self.new) > MAX_AXIS:
            return self.new / self.old, Axis(self.old, exact=False)
        sums = [0.0] * self.old
        for source, value in zip(self._list_sources(), axis.values, strict=True):
            sums[source] += value
        return even_out(sums, exact=False)

    def _list_sources(self) -> Iterator[int]:
        half = Fraction(0) if self.mode == "nearest" else Fraction(1, 2)
        places = (floor(place * self.step + self.offset + half) for place in range(self.new))
        return (min(max(place, 0), self.old - 1) for place in places)


@lru_cache(maxsize=1024)
def _mean_square(sampling: AxisSampling) -> float:
    """The mean square of the weights. Of a long axis so many places from the middle speak for all."""
    start = max(0, (sampling.new - MAX_AXIS) // 2)
    places = range(start, min(sampling.new, start + MAX_AXIS))
    step, offset = float(sampling.step), float(sampling.offset)
    return sum(_sum_squares(sampling, place * step + offset) for place in places) / len(places)


def _sum_squares(sampling: AxisSampling, at: float) -> float:
    """The sum of the squared weights of a place. Positions beyond an end are the one at the end."""
    before = floor(at)
    first = before if sampling.mode == "linear" else before - 1
    sums: dict[int, float] = {}
    for i, weight in enumerate(_list_weights(sampling.mode, at - before)):
        position = min(max(first + i, 0), sampling.old - 1)
        sums[position] = sums.get(position, 0.0) + weight
    return sum(weight**2 for weight in sums.values())


def _list_weights(mode: Mode, share: float) -> Sequence[float]:
    """The weights of the two or four positions around a place that lies `share` behind the one before it."""
    if mode == "linear":
        return 1 - share, share
    inner = [((SHARPNESS + 2) * x - (SHARPNESS + 3)) * x * x + 1 for x in (share, 1 - share)]
    outer = [((x - 5) * x + 8) * x * SHARPNESS - 4 * SHARPNESS for x in (share + 1, 2 - share)]
    return outer[0], *inner, outer[1]
