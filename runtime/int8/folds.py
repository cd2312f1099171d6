"""Images dealt into parts, near copies of each other into the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SKETCHED = 1024
"""The number of sums that stand for an image; distances between images stay about the same."""

NEAR = 0.03
"""The largest squared distance of near copies, as a part of the sum of their squares: |a - b|² / (|a|² + |b|²), about
the mean of the image in the middle. Of unlike images it is 1; of the 1,000 digits of 8×8 pixels 36 are as near to one
before."""

NEAR_NEIGHBOURS = 0.1
"""Images that follow each other are near copies at this part of what the middle one of all pairs has, too: those of a
moving scene, each of which is further from what was a little before."""

MIN_SKETCHED = 16
"""The smallest number of numbers of an image with near copies: smaller ones come near by chance, and are copies only
if they are equal."""

EQUAL = 1e-12


class Sketches:
    """Images as few numbers, by which near copies are found: sums of neighbours with weights at random."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.size = int(np.prod(shape))
        many = self.size > SKETCHED
        self.weights = np.random.default_rng(0).standard_normal(self.size, np.float32) if many else np.float32(1)
        self.starts = np.arange(min(SKETCHED, self.size)) * self.size // min(SKETCHED, self.size)
        self.rows: list[npt.NDArray[np.float64]] = []
        self.means: list[npt.NDArray[np.float64]] = []

    def add(self, images: npt.NDArray[np.float32]) -> None:
        """Take images, (N, C, ...), into account."""
        self.rows.append(self._sketch(images.reshape(len(images), -1)))
        self.means.append(images.reshape(len(images), -1).mean(axis=1, dtype=np.float64))

    def group(self) -> list[int]:
        """Find for each image the number of the first one that it is a copy of: its own, or that of the nearest before
        it where that is near."""
        rows = np.concatenate(self.rows)
        rows -= np.median(np.concatenate(self.means)) * self._sketch(np.ones((1, self.size), np.float32))
        squares = np.square(rows).sum(axis=1)
        both = squares[:, None] + squares
        apart = (both - 2 * rows @ rows.T) / np.maximum(both, np.finfo(np.float64).tiny)
        beyond = apart - (NEAR if self.size >= MIN_SKETCHED else EQUAL)
        if self.size >= MIN_SKETCHED:
            after, before = np.arange(1, len(rows)), np.arange(len(rows) - 1)
            near = apart[after, before] <= NEAR_NEIGHBOURS * np.median(apart)
            beyond[after[near], before[near]] = -1
        groups = [0]
        for place in range(1, len(rows)):
            nearest = int(beyond[place, :place].argmin())
            groups.append(groups[nearest] if beyond[place, nearest] <= 0 else place)
        return groups

    def _sketch(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        sums: npt.NDArray[np.float64] = np.add.reduceat(images * self.weights, self.starts, axis=1, dtype=np.float64)
        return sums


def deal(groups: Sequence[int], parts: int) -> list[list[int]]:
    """Deal the places of images into up to so many parts of about one size, a group in one part, in an order by chance
    that is the same each time."""
    members: dict[int, list[int]] = {group: [] for group in np.random.default_rng(0).permutation(np.unique(groups))}
    for place, group in enumerate(groups):
        members[group].append(place)
    dealt: list[list[int]] = [[] for _ in range(min(parts, len(members)))]
    for places in sorted(members.values(), key=len, reverse=True):
        min(dealt, key=len).extend(places)
    return [sorted(part) for part in dealt]
