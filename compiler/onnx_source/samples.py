"""The places of the samples of a batch that a file fixes, in its values.

They stay apart through every operation, and may change their place: attention brings them behind the heads, or makes
one axis of both. So each value says which of its axes holds them, and how far apart they lie along it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod


class MixedSamplesError(Exception):
    """An operation does not keep the samples apart: what was taken for the batch is none, or it cannot be divided."""


@dataclass(frozen=True, slots=True)
class SampleAxis:
    """The place of samples that lie along an axis of the file's value, `apart` positions from each to the next."""

    axis: int
    apart: int = 1


def follow_reshape(samples: SampleAxis | None, count: int, old: Sequence[int], new: Sequence[int]) -> SampleAxis | None:
    """Find where the samples lie when the same numbers are laid out in another shape."""
    if samples is None:
        return None
    apart = samples.apart * prod(old[samples.axis + 1 :])
    for axis, extent in enumerate(new):
        inner = prod(new[axis + 1 :])
        if inner <= apart and apart * count <= inner * extent:
            if apart % inner or (inner * extent) % (apart * count):
                break
            return SampleAxis(axis, apart // inner)
    raise MixedSamplesError


def agree(places: Iterable[SampleAxis | None]) -> SampleAxis | None:
    """Find the one place that all values with samples say."""
    found = {place for place in places if place}
    if len(found) > 1:
        raise MixedSamplesError
    return found.pop() if found else None
