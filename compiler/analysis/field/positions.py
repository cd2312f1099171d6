"""Sets of positions along one axis, and of those of a map: the positions that a window with gaps reads are no single
run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import product
from math import prod
from typing import TypeAlias

from archspec.ops import Positions, Span
from archspec.ops.window import Fill, fold

Runs: TypeAlias = tuple[Span, ...]
"""Positions along one axis, as runs in order, of which no two touch."""
MapBox: TypeAlias = tuple[Runs, ...]
"""Positions of a map: all that lie in a set along each of its axes."""

MAX_RUNS = 1 << 12
"""The largest number of runs of a set that is followed."""
MAX_CELLS = 1 << 18
"""The largest number of parts of a map that lie in the same boxes and are counted one by one."""


def gather(found: Positions, extent: int | None = None, *, beyond: Fill = "constant") -> Runs | None:
    """Give the positions that lie in a map of this extent, and those that stand for what lies `beyond` its ends; all of
    them where it has no ends. None where there are too many runs."""
    spans: list[Span] = []
    for number, places in enumerate(found):
        kept = places
        if extent is not None and places and (places.start < 0 or places.stop > extent):
            kept = _cut(places, extent)
            if beyond != "constant":
                if len(places) - len(kept) + len(spans) > MAX_RUNS:
                    return None
                spans += [(fold(place, extent, beyond),) * 2 for place in places if not 0 <= place < extent]
        solid = kept.step == 1 or len(kept) == 1
        if number + (1 if solid else len(kept)) + len(spans) > MAX_RUNS:
            return None
        if solid and kept:
            spans.append((kept[0], kept[-1]))
        elif not solid:
            spans += [(place, place) for place in kept]
    return unite(spans)


def _cut(places: range, extent: int) -> range:
    first = places.start + max(0, -(places.start // places.step)) * places.step
    return range(first, min(places.stop, extent), places.step)


def unite(spans: Iterable[Span]) -> Runs:
    """Unite the positions of all these runs."""
    ordered = sorted(spans)
    if len(ordered) < 2:
        return tuple(ordered)
    runs = [ordered[0]]
    for lo, hi in ordered[1:]:
        first, last = runs[-1]
        if lo <= last + 1:
            runs[-1] = (first, max(hi, last))
        else:
            runs.append((lo, hi))
    return tuple(runs)


def holds(outer: Runs, inner: Runs) -> bool:
    """Tell whether one set has all positions of the other."""
    if outer == inner:
        return True
    around = iter(outer)
    first, last = next(around, (0, -1))
    for lo, hi in inner:
        while last < hi:
            following = next(around, None)
            if following is None:
                return False
            first, last = following
        if lo < first:
            return False
    return True


def cover(outer: MapBox, inner: MapBox) -> bool:
    """Tell whether one set of a map's positions has all of the other."""
    return all(map(holds, outer, inner))


def find_hull(boxes: Sequence[MapBox]) -> tuple[Span, ...]:
    """Find along each axis the first and the last position that lies in any of the boxes."""
    axes = zip(*boxes, strict=True)
    return tuple((min(runs[0][0] for runs in axis), max(runs[-1][1] for runs in axis)) for axis in axes)


def unite_boxes(boxes: Sequence[MapBox]) -> MapBox:
    """Give the smallest box that has the positions of all of them."""
    return tuple(unite(span for runs in axis for span in runs) for axis in zip(*boxes, strict=True))


def count_positions(boxes: Sequence[MapBox]) -> int | None:
    """Count the positions of a map that lie in any of the boxes; None where these overlap in too many ways."""
    if len(boxes) == 1:
        return count_in_box(boxes[0])
    axes = [_count_by_members(axis).items() for axis in zip(*boxes, strict=True)]
    if prod(map(len, axes)) > MAX_CELLS:
        return None
    total = 0
    for choice in product(*axes):
        shared = -1
        for members, _ in choice:
            shared &= members
        total += prod(count for _, count in choice) if shared else 0
    return total


def count_in_box(box: MapBox) -> int:
    return prod(sum(hi - lo + 1 for lo, hi in runs) for runs in box)


def _count_by_members(sets: Sequence[Runs]) -> Counter[int]:
    """Count the positions along an axis that lie in the same sets: by the sum of 2^i over those i that they lie in."""
    turns = [(lo, 1 << i) for i, runs in enumerate(sets) for lo, _ in runs]
    turns += [(hi + 1, 1 << i) for i, runs in enumerate(sets) for _, hi in runs]
    counts: Counter[int] = Counter()
    before, members = 0, 0
    for place, turned in sorted(turns):
        if members:
            counts[members] += place - before
        before, members = place, members ^ turned
    return counts
