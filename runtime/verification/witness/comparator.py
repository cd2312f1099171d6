"""The comparison of two runs: whether their outputs are the same, as far as rounding lets them be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError
from archspec.finite import is_finite, mark_alike
from runtime.verification.differences import Limits, compare, compare_places, compare_votes

WitnessOutputs: TypeAlias = tuple[str, Mapping[str, Array]]
"""A witness's name and the outputs that it computes."""


@dataclass(frozen=True, slots=True)
class Comparator:
    """The limits of how far outputs may be apart. `votes` are those that count votes, `dtype` is what the file computes
    in."""

    limits: Limits
    dtype: str
    votes: Collection[str] = ()

    def compare(self, found: Mapping[str, Array], said: WitnessOutputs) -> str:
        """Say how near a witness's outputs are. Raises ArchspecError where they are not."""
        return f"{said[0]} agrees to {self.measure(found, said):.1e}"

    def measure(self, found: Mapping[str, Array], said: WitnessOutputs) -> float:
        """The largest difference of a witness's outputs from those found, where both are finite.

        Raises ArchspecError where that is too far, or other numbers are infinite or NaN.
        """
        who, expected = said
        worst = 0.0
        for name, array in found.items():
            if expected[name].shape != array.shape:
                raise ArchspecError(f"the output '{name}' is {array.shape}, and {expected[name].shape} in {who}")
            measure, limit, of = self._choose(name, array)
            difference = measure(*_leave_finite(name, expected[name], array, who))
            if not difference <= limit:  # NaN is not either
                raise ArchspecError(
                    f"the output '{name}' differs from {who} by {difference:.3g} of {of}, at most {limit:.3g}"
                )
            worst = max(worst, difference)
        return worst

    def _choose(self, name: str, array: Array) -> tuple[Callable[[Array, Array], float], float, str]:
        """The measure, its limit, and of what it is a part."""
        if name in self.votes:
            return compare_votes, self.limits.flips, "its positions"
        steps = self.dtype == "int8" and array.dtype.itemsize == 1  # what was rounded, and not what was counted
        if array.dtype.kind in "fcV" or steps:
            return compare, self.limits.numbers, "its largest value"
        return compare_places, self.limits.flips, "its positions"


def _leave_finite(name: str, expected: Array, found: Array, who: str) -> tuple[Array, Array]:
    """Both with zeros where both are infinite, or NaN. Raises ArchspecError where one alone is, or they are unlike."""
    if is_finite(expected) and is_finite(found):
        return expected, found
    finite = np.isfinite(found) & np.isfinite(expected)
    alike = finite | mark_alike(found, expected)
    if not alike.all():
        mine, theirs = (array.flat[np.argmin(alike)] for array in (found, expected))
        raise ArchspecError(
            f"{np.sum(~alike):,} of {found.size:,} numbers of the output '{name}' are infinite or NaN where {who} has "
            f"others: the first is {mine}, and {theirs} there"
        )
    zero = found.dtype.type(0)
    return np.where(finite, expected, zero), np.where(finite, found, zero)
