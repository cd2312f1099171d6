"""The heaviest common subsequence of two sequences, whose items may be more or less alike."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

MAX_PAIRS = 1 << 23
"""The largest number of pairs of items that are compared; of more, only what is alike from both ends counts."""


@dataclass(frozen=True)
class Item:
    """An item has keys, from all that is known of it to the least that makes two items alike, and a weight."""

    keys: tuple[Hashable, ...]
    weight: int = 1


def match(a: Sequence[Item], b: Sequence[Item], scores: Sequence[int]) -> list[tuple[int, int]]:
    """Find the positions (i, j) of items that are alike, in order, so that the pairs weigh the most in all.

    A pair weighs what the lighter of the two does, times the score of the first key in which they are equal; scores
    fall. What is equal in the first key at both ends is taken as it is; for the rest dynamic programming takes time and
    memory that grow with the product of both lengths.
    """
    start = _count_equal(a, b, 0)
    end = _count_equal(a[start:][::-1], b[start:][::-1], 0)
    rest = a[start : len(a) - end], b[start : len(b) - end]
    middle = _match_ends(*rest) if len(rest[0]) * len(rest[1]) > MAX_PAIRS else _match_middle(*rest, scores)
    tail = ((len(a) - i, len(b) - i) for i in range(end, 0, -1))
    return [*((i, i) for i in range(start)), *((start + i, start + j) for i, j in middle), *tail]


def _count_equal(a: Sequence[Item], b: Sequence[Item], key: int) -> int:
    pairs = enumerate(zip(a, b, strict=False))
    return next((i for i, (x, y) in pairs if x.keys[key] != y.keys[key]), min(len(a), len(b)))


def _match_ends(a: Sequence[Item], b: Sequence[Item]) -> list[tuple[int, int]]:
    """Match what is alike at all, from both ends."""
    start = _count_equal(a, b, -1)
    end = _count_equal(a[start:][::-1], b[start:][::-1], -1)
    return [*((i, i) for i in range(start)), *((len(a) - i, len(b) - i) for i in range(end, 0, -1))]


def _match_middle(a: Sequence[Item], b: Sequence[Item], scores: Sequence[int]) -> list[tuple[int, int]]:
    if not a or not b:
        return []
    known: dict[Hashable, int] = {}
    levels = range(len(scores))
    first, second = (
        np.array([[known.setdefault((level, item.keys[level]), len(known)) for level in levels] for item in side])
        for side in (a, b)
    )
    weights = np.array([item.weight for item in b])
    # heaviest[i, j] is what the best pairs from i in a and from j in b weigh; within a row it never grows with j.
    heaviest = np.zeros((len(a) + 1, len(b) + 1), np.int64)
    for i in reversed(range(len(a))):
        worth = np.max((second == first[i]) * np.array(scores), axis=1)
        row = heaviest[i + 1, 1:] + worth * np.minimum(weights, a[i].weight)
        row[worth == 0] = 0
        heaviest[i, :-1] = np.maximum.accumulate(np.maximum(row, heaviest[i + 1, :-1])[::-1])[::-1]
    pairs, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        if heaviest[i, j] == heaviest[i + 1, j]:
            i += 1
        elif heaviest[i, j] == heaviest[i, j + 1]:
            j += 1
        else:
            pairs.append((i, j))
            i, j = i + 1, j + 1
    return pairs
