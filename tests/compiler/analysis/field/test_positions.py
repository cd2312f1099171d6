"""Sets of positions: against Python's own sets, and against numpy's padding."""

from __future__ import annotations

from itertools import pairwise, product
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from archspec.ops.window import Fill, fold
from compiler.analysis.field import positions
from compiler.analysis.field.positions import (
    MapBox,
    Runs,
    count_positions,
    cover,
    find_hull,
    gather,
    holds,
    unite,
)


def listed(runs: Runs | None) -> list[int]:
    assert runs is not None
    return [place for lo, hi in runs for place in range(lo, hi + 1)]


def draw_runs(random: Random) -> Runs:
    return unite((lo, lo + random.randint(0, 4)) for lo in random.choices(range(30), k=random.randint(1, 5)))


@pytest.mark.parametrize("seed", range(30))
def test_runs_are_sets(seed: int) -> None:
    random = Random(seed)
    for _ in range(20):
        a, b = draw_runs(random), draw_runs(random)
        first, second = set(listed(a)), set(listed(b))
        assert listed(a) == sorted(first)
        assert all(hi + 1 < lo for (_, hi), (lo, _) in pairwise(a))
        assert holds(a, b) == (first >= second)
        assert listed(unite(a + b)) == sorted(first | second)


@pytest.mark.parametrize("seed", range(10))
def test_boxes_are_sets_of_places(seed: int) -> None:
    random = Random(seed)
    for rank, count in product((1, 2, 3), (1, 2, 4)):
        boxes: list[MapBox] = [tuple(draw_runs(random) for _ in range(rank)) for _ in range(count)]
        places = [set(product(*map(listed, box))) for box in boxes]
        seen = set().union(*places)
        assert count_positions(boxes) == len(seen)
        assert find_hull(boxes) == tuple((min(axis), max(axis)) for axis in zip(*seen, strict=True))
        assert cover(boxes[0], boxes[-1]) == (places[0] >= places[-1])


def pad(values: NDArray[np.int64], fill: Fill) -> NDArray[np.int64]:
    if fill == "constant":
        return np.pad(values, 20, mode=fill, constant_values=-1)
    return np.pad(values, 20, mode=fill)


@pytest.mark.parametrize(
    "places", [range(-3, 4), range(2, 9), range(-5, 12, 3), range(-9, -2), range(7, 9), range(3, 3), range(-7, 20, 9)]
)
@pytest.mark.parametrize("fill", ["constant", "edge", "reflect", "wrap"])
def test_what_lies_beyond_the_ends_is_what_numpy_pads_with(places: range, fill: Fill) -> None:
    for extent in (1, 2, 5, 6):
        padded = pad(np.arange(extent), fill)
        expected = {int(padded[place + 20]) for place in places} - {-1}
        assert listed(gather([places], extent, beyond=fill)) == sorted(expected)
    assert listed(gather([places])) == list(places)


def test_control_another_fill_is_another_position() -> None:
    assert [fold(-2, 5, fill) for fill in ("edge", "reflect", "wrap")] == [0, 2, 3]


def test_what_is_too_ragged_is_given_up_at_once() -> None:
    many = positions.MAX_RUNS
    assert gather([range(0, 2 * many, 2)]) is not None
    assert gather([range(0, 2 * many + 2, 2)]) is None
    assert gather(range(0) for _ in range(1 << 60)) is None
    assert gather([range(-(1 << 60), 5)], 3, beyond="reflect") is None
