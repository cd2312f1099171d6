"""The heaviest common subsequence of two sequences."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeAlias

import numpy as np

LARGEST = 1 << 23
"""Pairs of items that are held against each other; beyond, only what is equal from both ends counts."""

Item: TypeAlias = tuple[Hashable, int]
"""What has to be equal for two items to match, and the item's weight."""


def match(a: Sequence[Item], b: Sequence[Item]) -> list[tuple[int, int]]:
    """The positions (i, j) of items that match, in order, so that the pairs weigh the most in all; a pair weighs what
    the lighter of the two does.

    What matches at both ends is taken as it is; for the rest dynamic programming takes time and memory that grow with
    the product of both lengths.
    """
    start = _count_equal(a, b)
    end = _count_equal(a[start:][::-1], b[start:][::-1])
    middle = _match_middle(a[start : len(a) - end], b[start : len(b) - end])
    tail = ((len(a) - i, len(b) - i) for i in range(end, 0, -1))
    return [*((i, i) for i in range(start)), *((start + i, start + j) for i, j in middle), *tail]


def _count_equal(a: Sequence[Item], b: Sequence[Item]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x[0] != y[0]), min(len(a), len(b)))


def _match_middle(a: Sequence[Item], b: Sequence[Item]) -> list[tuple[int, int]]:
    if not a or not b or len(a) * len(b) > LARGEST:
        return []
    numbers = {key: number for number, key in enumerate(dict.fromkeys(key for key, _ in [*a, *b]))}
    y, weights = np.array([numbers[key] for key, _ in b]), np.array([weight for _, weight in b])
    # heaviest[i, j] is what the best pairs from i in a and from j in b weigh; within a row it never grows with j.
    heaviest = np.zeros((len(a) + 1, len(b) + 1), np.int32)
    for i, (key, weight) in reversed([*enumerate(a)]):
        row = heaviest[i + 1, 1:] + (y == numbers[key]) * np.minimum(weights, weight)
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
