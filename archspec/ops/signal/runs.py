"""Channels that behave alike, in runs: numbers of channels, in order, and what each of them has. A value costs as much
as it has kinds of channels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import mul
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T", bound=tuple[float, ...])
ChannelRuns: TypeAlias = tuple[tuple[int, T], ...]

MAX_RUNS = 64
"""The largest number of kinds of channels that a value keeps apart; of more, neighbours are averaged."""


def count_channels(runs: Sequence[tuple[int, Any]]) -> int:
    return sum([count for count, _ in runs])


def average(runs: ChannelRuns[T]) -> T:
    """The mean over all channels, number by number."""
    if len(runs) == 1:
        return runs[0][1]
    total = count_channels(runs)
    weights = [count / total for count, _ in runs]
    columns = zip(*[part for _, part in runs], strict=True)
    return _like(runs[0][1], [sum(map(mul, weights, column)) for column in columns])


def join(runs: Iterable[tuple[int, T]]) -> ChannelRuns[T]:
    """Join neighbours that are equal to one run; where there are too many runs, neighbours are averaged."""
    joined: list[tuple[int, T]] = []
    last: T | None = None
    for run in runs:
        if run[1] == last:
            joined[-1] = (joined[-1][0] + run[0], run[1])
        else:
            joined.append(run)
            last = run[1]
    while len(joined) > MAX_RUNS:
        pairs = [tuple(joined[i : i + 2]) for i in range(0, len(joined), 2)]
        joined = [(sum(count for count, _ in pair), average(pair)) for pair in pairs]
    return tuple(joined)


def cut(runs: ChannelRuns[T], first: int, count: int) -> ChannelRuns[T]:
    """The runs of `count` channels from the `first` on."""
    kept, start = [], 0
    for n, part in runs:
        inside = min(start + n, first + count) - max(start, first)
        kept += [(inside, part)] if inside > 0 else []
        start += n
    return tuple(kept)


def group_channels(runs: ChannelRuns[T], size: int) -> ChannelRuns[T]:
    """The runs with each group of `size` channels as if its channels were alike."""
    if len(runs) == 1:
        return runs
    grouped: list[tuple[int, T]] = []
    open_: list[tuple[int, T]] = []  # the runs of a group that is not full
    missing = size
    for count, part in runs:
        if missing < size:
            taken = min(count, missing)
            open_.append((taken, part))
            count, missing = count - taken, missing - taken
            if missing:
                continue
            grouped.append((size, average(tuple(open_))))
        whole, rest = count - count % size, count % size
        grouped += [(whole, part)] if whole else []
        open_, missing = ([(rest, part)], size - rest) if rest else ([], size)
    return join(grouped)


def align(*tables: Sequence[tuple[int, Any]]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Align runs of channels in which each table has one entry; a table of a single channel holds for all."""
    if len(tables) == 2 and (pairs := _pair(*tables)):
        yield from pairs
        return
    sums = [count_channels(runs) for runs in tables]
    channels = max(sums)
    wide = [runs if own == channels else ((channels, runs[0][1]),) for own, runs in zip(sums, tables, strict=True)]
    counts = [n for n, _ in max(wide, key=len)]
    if all(len(runs) == 1 or counts == [n for n, _ in runs] for runs in wide):
        columns = [[part for _, part in runs] * (len(counts) // len(runs)) for runs in wide]
        yield from zip(counts, zip(*columns, strict=True), strict=True)
        return
    places, left = [0] * len(wide), [runs[0][0] for runs in wide]
    while channels:
        step = min(left)
        yield step, tuple(runs[place][1] for runs, place in zip(wide, places, strict=True))
        channels -= step
        for i, runs in enumerate(wide):
            left[i] -= step
            if not left[i] and channels:
                places[i] += 1
                left[i] = runs[places[i]][0]


def _pair(one: Sequence[tuple[int, Any]], other: Sequence[tuple[int, Any]]) -> list[tuple[int, tuple[Any, Any]]]:
    """Pair two tables of which one has a single entry, or both the same channels, which is most of what is aligned;
    else nothing."""
    if len(one) == len(other) == 1:
        return [(max(one[0][0], other[0][0]), (one[0][1], other[0][1]))]
    if len(other) == 1:
        second = other[0][1]
        return [(n, (first, second)) for n, first in one]
    if len(one) == 1:
        first = one[0][1]
        return [(n, (first, second)) for n, second in other]
    if [n for n, _ in one] == [n for n, _ in other]:
        return [(n, (first, second)) for (n, first), (_, second) in zip(one, other, strict=True)]
    return []


def _like(example: T, values: Iterable[float]) -> T:
    return type(example)(*values)  # type: ignore[arg-type]
