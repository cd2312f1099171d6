"""Sizes that fit near those that do not: as few as possible change, the others stay as they are wanted."""

from __future__ import annotations

from itertools import product

import pytest

from compiler.sizes import nearest_sizes as module
from compiler.sizes.accepted_sizes import fits
from compiler.sizes.nearest_sizes import find_changes
from tests.archspec.spec.texts import graph_of

TWO = "archspec: 1\ninputs: {a: [2, L], b: [2, M]}\nsizes: {L: 8, M: 8}\nnetwork: "
THREE = "archspec: 1\ninputs: {a: [2, L], b: [2, M], c: [2, N]}\nsizes: {L: 8, M: 8, N: 8}\nnetwork: "
SUM = "[add: [[], [from: b]]]\n"
HALF = "[add: [[max_pool: 2], [from: b, max_pool: 4, upsample: 2]]]\n"
TURNS = "[add: [[max_pool: 2, max_pool: 2], [from: b]], concat: {axis: 1, branches: [[], [from: c]]}, max_pool: 5]\n"
SUMS = "[add: [[], [from: b], [from: c]]]\n"


@pytest.mark.parametrize(("wanted", "other"), [(10, 20), (5, 100), (100, 5), (9, 10)])
def test_one_changes_while_the_other_keeps_its_wanted_value(wanted: int, other: int) -> None:
    assert find_changes(graph_of(TWO + SUM), {"L": wanted, "M": other}) == [[{"L": other}, {"M": wanted}]]


def test_sizes_that_do_not_depend_on_each_other_change_by_themselves() -> None:
    network = "[concat: [[max_pool: 4, global_avg_pool], [from: b, max_pool: 3, global_avg_pool]]]\n"
    graph = graph_of(TWO + network)
    assert find_changes(graph, {"L": 3, "M": 2}) == [[{"L": 4}], [{"M": 3}]]
    assert find_changes(graph, {"L": 30, "M": 2}) == [[{"M": 3}]]
    assert find_changes(graph, {"L": 30, "M": 20}) == []


def test_more_than_one_change_where_one_is_not_enough() -> None:
    graph = graph_of(THREE + SUMS)
    assert find_changes(graph, {"L": 10, "M": 20, "N": 31}) == [[{"L": 20, "N": 20}]]
    assert find_changes(graph, {"L": 20, "M": 20, "N": 31}) == [[{"N": 20}]]


def brute(text: str, wanted: dict[str, int], reach: int) -> tuple[int, set[tuple[str, int]]]:
    """How few sizes have to change, and of single changes the nearest of each."""
    graph = graph_of(text)
    for count in range(len(wanted) + 1):
        near: dict[str, int] = {}
        for values in product(range(1, reach), repeat=len(wanted)):
            sizes = dict(zip(wanted, values, strict=True))
            moved = [name for name in wanted if sizes[name] != wanted[name]]
            if len(moved) == count and fits(graph, sizes, keep_weights=False):
                if count != 1:
                    return count, set()
                (name,) = moved
                best = near.get(name, 10**6)
                near[name] = min(sizes[name], best, key=lambda size: (abs(size - wanted[name]), -size))
        if near:
            return 1, {*near.items()}
    return -1, set()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *((TWO + HALF, {"L": one, "M": other}) for one, other in [(9, 14), (3, 20), (16, 1), (2, 4)]),
        (THREE.replace("M: 8", "M: 2") + TURNS, {"L": 9, "M": 4, "N": 3}),
        (THREE + SUMS, {"L": 4, "M": 4, "N": 11}),
        (THREE + SUMS, {"L": 4, "M": 6, "N": 11}),
    ],
)
def test_changes_are_those_that_trying_every_size_finds(text: str, wanted: dict[str, int]) -> None:
    count, singles = brute(text, wanted, 24)
    (found,) = find_changes(graph_of(text), wanted)
    assert {len(change) for change in found} == {count}
    if count == 1:
        assert {item for change in found for item in change.items() if item[1] < 24} == singles
    assert all(fits(graph_of(text), {**wanted, **change}, keep_weights=False) for change in found)


def test_a_search_that_is_too_long_proposes_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, wanted = graph_of(THREE + SUMS), {"L": 10, "M": 20, "N": 31}
    monkeypatch.setattr(module, "MAX_SEARCH", 20_000)
    assert find_changes(graph, wanted) == [[{"L": 20, "N": 20}]]
    monkeypatch.setattr(module, "MAX_SEARCH", 3_000)
    assert find_changes(graph, wanted) == [[{"L": 8, "M": 8, "N": 8}]]
    monkeypatch.setattr(module, "MAX_SEARCH", 20)
    assert find_changes(graph, wanted) == []
