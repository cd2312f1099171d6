"""The heaviest common subsequence, against all subsequences."""

from __future__ import annotations

import time
from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from compiler.analysis.compare.alignment import Item, match

ITEMS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5)), max_size=6)


def find_heaviest(a: list[Item], b: list[Item]) -> int:
    """The witness: every choice of positions in both."""
    best = 0
    for count in range(1, min(len(a), len(b)) + 1):
        for first in combinations(a, count):
            for second in combinations(b, count):
                if all(x[0] == y[0] for x, y in zip(first, second, strict=True)):
                    best = max(best, sum(min(x[1], y[1]) for x, y in zip(first, second, strict=True)))
    return best


@given(ITEMS, ITEMS)
def test_pairs_match_and_are_in_order(a: list[Item], b: list[Item]) -> None:
    pairs = match(a, b)
    assert all(a[i][0] == b[j][0] for i, j in pairs)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))


@given(st.data())
def test_equal_items_of_equal_weight_are_matched_best(data: st.DataObject) -> None:
    """The ends are taken as they are, which costs nothing where equal items weigh the same."""
    weights = {letter: data.draw(st.integers(1, 5)) for letter in "abc"}
    sides = [[(x, weights[x]) for x in data.draw(st.lists(st.sampled_from("abc"), max_size=6))] for _ in range(2)]
    assert sum(sides[0][i][1] for i, _ in match(*sides)) == find_heaviest(*sides)


def test_a_control_is_heavier_than_the_longest() -> None:
    """One heavy item goes before two light ones: the longest common subsequence would be the light ones."""
    a, b = [("x", 1), ("y", 1), ("big", 9), ("end", 1)], [("big", 9), ("x", 1), ("y", 1), ("stop", 1)]
    assert match(a, b) == [(2, 0)]


def test_sequences_beyond_the_bound_are_matched_at_their_ends() -> None:
    a = [("same", 1), *((f"a{i}", 1) for i in range(20_000)), ("end", 1)]
    b = [("same", 1), *((f"b{i}", 1) for i in range(20_000)), ("end", 1)]
    started = time.process_time()
    assert match(a, b) == [(0, 0), (20_001, 20_001)]
    assert time.process_time() - started < 60  # the product of the lengths would take hours
