"""Runs of channels, against the lists that they stand for."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TypeAlias

import pytest

from archspec.ops.signal.runs import MAX_RUNS, align, average, count_channels, cut, group_channels, join

Pair: TypeAlias = tuple[float, float]
Table: TypeAlias = tuple[tuple[int, Pair], ...]

SEEDS = pytest.mark.parametrize("seed", range(20))


def draw(seed: int, channels: int = 24) -> Table:
    chance = random.Random(seed)
    ends = sorted({*chance.sample(range(1, channels), chance.randint(0, 5)), channels})
    counts = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    return tuple((count, (float(chance.randint(0, 3)), chance.random())) for count in counts)


def spell_out(runs: Table) -> list[Pair]:
    return [part for count, part in runs for _ in range(count)]


def mean(parts: list[Pair]) -> Pair:
    return sum(part[0] for part in parts) / len(parts), sum(part[1] for part in parts) / len(parts)


class Both(tuple[float, float]):
    """A pair that is made of its numbers, as those of the analysis are."""

    __slots__ = ()

    def __new__(cls, *numbers: float) -> Both:
        return super().__new__(cls, numbers)


def typed(runs: Table) -> tuple[tuple[int, Both], ...]:
    return tuple((count, Both(*part)) for count, part in runs)


@SEEDS
def test_the_average_is_that_of_all_channels(seed: int) -> None:
    runs = draw(seed)
    assert average(typed(runs)) == pytest.approx(mean(spell_out(runs)))
    assert count_channels(runs) == 24


@SEEDS
def test_joined_runs_are_the_same_channels(seed: int) -> None:
    runs = draw(seed)
    split = [(1, part) for part in spell_out(runs)]
    joined = join(split)
    assert spell_out(joined) == spell_out(runs)
    assert all(one[1] != other[1] for one, other in pairwise(joined))


def test_of_too_many_kinds_neighbours_are_averaged() -> None:
    runs = [(1, Both(float(i), 0.0)) for i in range(2 * MAX_RUNS)]
    joined = join(runs)
    assert len(joined) == MAX_RUNS
    assert [part[0] for _, part in joined[:3]] == [0.5, 2.5, 4.5]
    assert len(join(runs[:MAX_RUNS])) == MAX_RUNS


@SEEDS
def test_a_cut_takes_channels_from_the_middle(seed: int) -> None:
    runs = draw(seed)
    assert spell_out(cut(runs, 5, 9)) == spell_out(runs)[5:14]


@SEEDS
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_groups_are_averages_of_neighbours(seed: int, size: int) -> None:
    runs = draw(seed)
    if len(runs) > 1:
        grouped = spell_out(group_channels(typed(runs), size))
        spelled = spell_out(runs)
        for start in range(0, 24, size):
            assert grouped[start] == grouped[start + size - 1] == pytest.approx(mean(spelled[start : start + size]))


@SEEDS
def test_aligned_tables_are_read_channel_by_channel(seed: int) -> None:
    one, other, single = draw(seed), draw(seed + 100), ((1, (7.0, 7.0)),)
    rows = [row for count, row in align(one, other, single) for _ in range(count)]
    assert rows == [(a, b, (7.0, 7.0)) for a, b in zip(spell_out(one), spell_out(other), strict=True)]
    pairs = [row for count, row in align(one, single) for _ in range(count)]
    assert pairs == [(a, (7.0, 7.0)) for a in spell_out(one)]
