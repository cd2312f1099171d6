"""The heaviest common subsequence, against all subsequences."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.analysis.compare import alignment
from compiler.analysis.compare.alignment import Item, match

SCORES = (5, 2)
"""Of letters and numbers that are equal, and of letters alone."""

ITEMS = st.lists(
    st.builds(lambda x, n, w: Item(((x, n), x), w), st.sampled_from("abc"), st.integers(0, 1), st.integers(1, 5)),
    max_size=6,
)


def weigh(x: Item, y: Item) -> int:
    worth = next((score for score, *keys in zip(SCORES, x.keys, y.keys, strict=True) if keys[0] == keys[1]), 0)
    return worth * min(x.weight, y.weight)


def find_heaviest(a: list[Item], b: list[Item]) -> int:
    """The witness: every choice of positions in both."""
    best = 0
    for count in range(1, min(len(a), len(b)) + 1):
        for first in combinations(a, count):
            for second in combinations(b, count):
                weights = [weigh(x, y) for x, y in zip(first, second, strict=True)]
                best = max(best, sum(weights) if all(weights) else 0)
    return best


@given(ITEMS, ITEMS)
def test_pairs_match_and_are_in_order(a: list[Item], b: list[Item]) -> None:
    pairs = match(a, b, SCORES)
    assert all(weigh(a[i], b[j]) for i, j in pairs)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))


@given(st.data())
def test_equal_items_of_equal_weight_are_matched_best(data: st.DataObject) -> None:
    """The ends are taken as they are, which costs nothing where equal items weigh the same."""
    weights = {letter: data.draw(st.integers(1, 5)) for letter in "abc"}
    letters = st.tuples(st.sampled_from("abc"), st.integers(0, 1))
    a, b = ([Item((x, x[0]), weights[x[0]]) for x in data.draw(st.lists(letters, max_size=6))] for _ in range(2))
    pairs = match(a, b, SCORES)
    assert sum(weigh(a[i], b[j]) for i, j in pairs) == find_heaviest(a, b)


def test_a_control_is_heavier_than_the_longest() -> None:
    """One heavy item goes before two light ones: the longest common subsequence would be the light ones."""
    sides = (("x", 1), ("y", 1), ("big", 9), ("end", 1)), (("big", 9), ("x", 1), ("y", 1), ("stop", 1))
    a, b = ([Item((key,), weight) for key, weight in side] for side in sides)
    assert match(a, b, (1,)) == [(2, 0)]


def test_what_is_more_alike_goes_first() -> None:
    """Two pairs that are alike outweigh one that is equal, and one that is equal goes before one that is alike."""
    a, b, c = (Item((number, "same")) for number in range(3))
    assert match([a, b], [b, c], (7, 4)) == [(0, 0), (1, 1)]
    assert match([a, b], [b], (7, 4)) == [(1, 0)]


def test_sequences_beyond_the_bound_are_matched_at_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = ([Item((key, key)) for key in side] for side in ("xaby", "xbcy"))
    assert match(a, b, SCORES) == [(0, 0), (2, 1), (3, 3)]
    monkeypatch.setattr(alignment, "MAX_PAIRS", 3)
    assert match(a, b, SCORES) == [(0, 0), (3, 3)]
