"""The search behind `fit`: which of a family's networks are built.

First a candidate: doubling steps and then halves find the border between networks that fit and those that do not; with
two params, one border for each value of the first. That it is the largest does not follow. Numbers need not grow with a
param, and values without a network may lie between. So all else that could be larger is tried too, as far as the bounds
of a search allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations, pairwise, product
from math import prod
from typing import Any, TypeAlias

from archspec.bounds import MAX_NODES
from archspec.errors import ArchspecError, SpecError
from compiler.analysis.compare.conditions import Condition, Quantity, Verdict, answer, find_numbers, judge
from compiler.analysis.compare.variation import Variation
from compiler.analysis.memory.setup import TrainingSetup
from compiler.graph import Graph

MAX_EXHAUSTIVE = 64
"""The largest number of networks that are all tried, without a candidate first."""

MAX_TRIES = 2_000
"""The largest number of networks that one search tries."""
MAX_BUILT_NODES = 500_000
"""The largest number of nodes of all networks together that one search builds: some twenty seconds."""

MAX_OPEN_TRIES = 500
"""The largest number of values above the candidate that are tried of a range without an end."""

MAX_GAP = 32
"""The largest number of values in a row, none with a network, that are passed over in search of a network close by."""

Build: TypeAlias = Callable[[Mapping[str, Any]], Graph]
"""A function from values of params to their network. It raises SpecError where there is none."""

GridPoint: TypeAlias = tuple[int, ...]
"""A position among the values of each variation."""


@dataclass(frozen=True)
class TriedNetwork:
    """One network of the family: the params that make it, and how it stands to the budgets. `size` is the number by
    which networks are compared."""

    params: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]
    size: Quantity

    @property
    def numbers(self) -> tuple[Quantity, ...]:
        """The numbers that may grow with the params."""
        return (self.size, *(number for verdict in self.verdicts for number in verdict.found))

    @property
    def fits(self) -> bool:
        """True if it fits as far as is known: a lower bound within the budget does."""
        return all(verdict.holds is not False for verdict in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        return {"params": dict(self.params), "budgets": [verdict.to_dict() for verdict in self.verdicts]}


@dataclass
class FamilySearch:
    """A search and what it has tried so far. `compared` is the path of the number by which networks are compared; None
    for the value of the only param. `climbed` is the position before which all values above the largest network's were
    tried."""

    build: Build
    params: Mapping[str, Any]
    variations: tuple[Variation, ...]
    budgets: tuple[Condition, ...]
    compared: str | None
    on_try: Callable[[Mapping[str, Any]], None]
    setup: TrainingSetup
    tried: dict[GridPoint, TriedNetwork | None] = field(default_factory=dict)
    too_large: set[GridPoint] = field(default_factory=set)
    nodes: int = 0
    error: SpecError | None = None
    climbed: int = 0

    def run(self) -> None:
        """Try what is needed. Raises ArchspecError where that is too much, or gives no network."""
        if self._count_places() > MAX_EXHAUSTIVE:
            self._try_own()
            self._walk_border()
            self._try_end()
        if self.compared is None:
            self._climb()
        else:
            self._try_rest()
        if not self.built:
            raise ArchspecError(f"none of the {len(self.tried)} values that were tried gives a network: {self.error}")
        if self.find_best() is None and not (self.is_complete() or self.grows()):
            raise self._tell_unfinished()

    # -- what was found --

    @property
    def built(self) -> dict[GridPoint, TriedNetwork]:
        """The networks that could be built."""
        return {place: trial for place, trial in self.tried.items() if trial}

    def find_best(self) -> GridPoint | None:
        """Find the largest network that fits."""
        fitting = {place: trial.size for place, trial in self.built.items() if trial.fits}
        return max(fitting, key=lambda place: (fitting[place], place), default=None)

    def find_next(self, place: GridPoint) -> Iterator[TriedNetwork]:
        """Find for each param the network with its next larger value."""
        for axis, variation in enumerate(self.variations):
            near = range(place[axis] + 1, min(variation.count, place[axis] + 1 + MAX_GAP))
            found = (self._look_at(_move(place, axis, position)) for position in near)
            trial = next(filter(None, found), None)
            if trial:
                yield trial

    def is_complete(self) -> bool:
        """True if every value was tried."""
        return len(self.tried) == self._count_places()

    def is_at_end(self) -> bool:
        """True if every value of the only param that is larger than the largest network's was tried."""
        return self.compared is None and self.climbed == self.variations[0].count

    def last_climbed(self) -> int | float | None:
        """The value of the only param up to which all above the largest network's were tried."""
        return self.variations[0].value(self.climbed - 1) if self.climbed else None

    def grows(self) -> bool:
        """True if no number of a network that was tried is smaller than that of one with smaller values."""
        rows = [(place, trial.numbers) for place, trial in sorted(self.built.items())]
        pairs = pairwise(rows) if len(self.variations) == 1 else combinations(rows, 2)
        return all(
            _is_within(numbers, others) for (place, numbers), (other, others) in pairs if _is_within(place, other)
        )

    def _count_places(self) -> int:
        return prod(variation.count for variation in self.variations)

    # -- one network --

    def attempt(self, place: GridPoint) -> TriedNetwork | None:
        """Build the network at a place; None where there is none. Raises ArchspecError beyond the bounds of a
        search."""
        if place not in self.tried and self._is_spent():
            raise self._tell_unfinished()
        return self._look_at(place)

    def _look_at(self, place: GridPoint) -> TriedNetwork | None:
        if place not in self.tried:
            self.tried[place] = self._measure(place)
        return self.tried[place]

    def _is_spent(self) -> bool:
        return len(self.tried) >= MAX_TRIES or self.nodes >= MAX_BUILT_NODES

    def _tell_unfinished(self) -> ArchspecError:
        ranges = " ".join(f"--vary {variation}=LOW..HIGH" for variation in self.variations)
        message = f"after {len(self.tried):,} networks the search has not come to its end; narrow it"
        return ArchspecError(f"{message} ({ranges}), or take larger steps, as in {self.variations[0]}:8")

    def _measure(self, place: GridPoint) -> TriedNetwork | None:
        chosen = {
            variation.name: variation.choose(position, self.params)
            for variation, position in zip(self.variations, place, strict=True)
        }
        self.on_try(chosen)
        try:
            graph = self.build(chosen)
        except SpecError as error:
            self.error = self.error or error
            if any(item.code == "too-many-nodes" for item in error.diagnostics):
                self.too_large.add(place)
                self.nodes += MAX_NODES
            return None
        self.nodes += len(graph)
        paths = [*(budget.path for budget in self.budgets), *([self.compared] if self.compared else [])]
        data = answer(graph, paths, setup=self.setup)
        size = sum(number.value for number in find_numbers(data, self.compared)) if self.compared else place[0]
        return TriedNetwork(chosen, tuple(judge(budget, data) for budget in self.budgets), size)

    def _fits(self, place: GridPoint) -> bool:
        trial = self.attempt(place)
        return trial is not None and trial.fits

    # -- all that could be larger --

    def _climb(self) -> None:
        """Try every value above that of the largest network: to the end of a range, or where it has none, up to twice
        the value."""
        start = self.climbed = self._above_best(0)
        while self.climbed < self._find_end(start) and not self._is_spent():
            self.attempt((self.climbed,))
            if (self.climbed,) in self.too_large:
                return
            self.climbed = self._above_best(self.climbed + 1)

    def _above_best(self, position: int) -> int:
        best = self.find_best()
        return position if best is None else max(position, best[0] + 1)

    def _find_end(self, start: int) -> int:
        """Find the position before which values are tried that could be larger."""
        variation, best = self.variations[0], self.find_best()
        if variation.high is not None:
            return variation.count
        if best is None:
            return min(variation.count, MAX_EXHAUSTIVE if self.grows() else MAX_OPEN_TRIES)
        return min(variation.count, variation.locate(2 * variation.exact(best[0])) + 1, start + MAX_OPEN_TRIES)

    def _try_rest(self) -> None:
        """Try all other values: where they are not too many, or the numbers are seen to fall."""
        if self._count_places() > MAX_TRIES and self.grows():
            return
        for place in product(*(range(variation.count) for variation in self.variations)):
            if self._is_spent() and self.grows():
                return
            self.attempt(place)

    # -- a candidate --

    def _try_own(self) -> None:
        """Try the spec's own values, and these halved and doubled: where not every value gives a network, as with
        groups that divide the channels, these are likely to."""
        scale = Fraction(1)
        while place := self._scale_own(scale):
            self.attempt(place)
            scale /= 2
        scale = Fraction(2)
        while (place := self._scale_own(scale)) and self._fits(place):
            scale *= 2

    def _scale_own(self, scale: Fraction) -> GridPoint | None:
        """The place of the spec's own values times a number, if they are among those that are varied."""
        pairs = [(variation, scale * variation.find_own(self.params)) for variation in self.variations]
        return tuple(variation.locate(value) for variation, value in pairs) if all(v.has(x) for v, x in pairs) else None

    def _walk_border(self) -> None:
        """Try the values around the border; with two variations, for each value of the first that of the second."""
        axis = len(self.variations) - 1
        stop, missing = self.variations[axis].count, 0
        for first in range(self.variations[0].count) if axis else (0,):
            start = (first, 0)[: axis + 1]
            last = self._find_last(start, axis, stop)
            missing = missing + 1 if last is None and not self._any_built(start, axis) else 0
            if missing == MAX_GAP or (last is None and not missing):
                return
            stop = stop if last is None else last + 1

    def _try_end(self) -> None:
        """The last value of a range that was given shows whether the numbers fall behind the border."""
        if len(self.variations) == 1 and self.variations[0].high is not None:
            self.attempt((self.variations[0].count - 1,))

    def _any_built(self, start: GridPoint, axis: int) -> bool:
        return any(place[:axis] == start[:axis] for place in self.built)

    def _find_last(self, start: GridPoint, axis: int, stop: int) -> int | None:
        """The last position that fits along an axis, taken that all before it do and none behind; None where the first
        does not."""
        low = self._next_built(start, axis, 0, stop)
        if low is None:
            return None
        if not self._fits(_move(start, axis, low)):
            self._sample(start, axis, low, stop)
            return None
        low, high = self._leap(start, axis, low, stop)
        while high - low > 1:
            middle = (low + high) // 2
            first = max(low + 1, middle - MAX_GAP + 1)
            position = self._next_built(start, axis, middle, high)
            position = self._next_built(start, axis, first, middle) if position is None else position
            if position is None:
                high = first
            elif self._fits(_move(start, axis, position)):
                low = position
            else:
                high = position
        return low

    def _sample(self, start: GridPoint, axis: int, low: int, stop: int) -> None:
        """Try some larger values where the smallest does not fit: the numbers may fall."""
        for step in (1, 2, 4, 8, 16, 32):
            self._next_built(start, axis, low + step, stop)

    def _leap(self, start: GridPoint, axis: int, low: int, stop: int) -> tuple[int, int]:
        """Find, in steps that double, a position that fits, and one behind it from which on none is taken to."""
        step = 1
        while low + step < stop:
            position = self._next_built(start, axis, low + step, stop)
            if position is None or not self._fits(_move(start, axis, position)):
                return low, low + step if position is None else position
            low, step = position, 2 * step
        return low, stop

    def _next_built(self, start: GridPoint, axis: int, first: int, stop: int) -> int | None:
        """The first position along an axis from `first` on at which there is a network, if one is near; else the
        nearest that is known."""
        for position in range(first, min(stop, first + MAX_GAP)):
            place = _move(start, axis, position)
            if self.attempt(place):
                return position
            if place in self.too_large:
                return None
        line = (place for place in self.built if _move(place, axis, 0) == _move(start, axis, 0))
        return min((place[axis] for place in line if first <= place[axis] < stop), default=None)


def _move(place: GridPoint, axis: int, position: int) -> GridPoint:
    return (*place[:axis], position, *place[axis + 1 :])


def _is_within(first: Sequence[Quantity], second: Sequence[Quantity]) -> bool:
    """Tell whether no entry is larger than its counterpart."""
    return all(a <= b for a, b in zip(first, second, strict=True))
