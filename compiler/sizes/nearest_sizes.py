"""Sizes that fit, near wanted ones that do not: as few as possible take another value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from compiler.graph import Graph
from compiler.sizes.accepted_sizes import find_bonds
from compiler.sizes.conditions import ExtentCondition
from compiler.sizes.extents import GraphExtents
from compiler.sizes.laws import Extent, SizeLaw

MAX_SEARCH = 100_000
"""The number of extents that are computed in search of few sizes of a group to change, before those are proposed that
are known to fit."""
MAX_BEYOND = 128
"""The largest distance, in positions, of a value from the largest of those that are wanted and those that fit."""


def find_changes(graph: Graph, wanted: Mapping[str, int]) -> list[list[dict[str, int]]]:
    """Find the changes of wanted values that make them fit, with any weights, starting from a graph of values that do.

    There is one list for each group of sizes that depend on each other and do not fit. Its changes are alternatives,
    each the new values of the sizes that change: of one, where one is enough, the other sizes as wanted; else of as few
    as possible, and of these the nearest.
    """
    extents = GraphExtents(graph.sizes, graph)
    bonds = find_bonds(extents, keep_weights=False)
    groups = dict.fromkeys(tuple(name for name in graph.sizes if name == own or name in bonds[own]) for own in bonds)
    searches = (_ChangeSearch(extents, wanted, group) for group in groups)
    return [found for search in searches if (found := search.find_fewest())]


@dataclass(frozen=True, slots=True)
class _Step:
    """What becomes known with the value of one size: extents, by number, and whether conditions hold."""

    name: str
    extents: tuple[tuple[int, Extent], ...]
    conditions: tuple[ExtentCondition, ...]


class _ChangeSearch:
    """A search for the fewest sizes of a group to change: the values of each in turn, the near ones first, as far as
    nothing contradicts those that were chosen before."""

    def __init__(self, extents: GraphExtents, wanted: Mapping[str, int], group: Sequence[str]) -> None:
        self._extents, self._wanted, self._group = extents, wanted, group
        self._row = [extent.own for extent in extents.all]
        self._largest = max(*wanted.values(), *extents.sizes.values()) + MAX_BEYOND
        self._spent = 0

    def find_fewest(self) -> list[dict[str, int]]:
        """List the alternatives; none where the wanted values fit, or it takes too long to know that one is not
        enough."""
        if self._find_values(()) is not None:
            return []
        for count in range(1, len(self._group) + 1):
            found = [values for moved in combinations(self._group, count) if (values := self._find_values(moved))]
            if found:
                return found if count == 1 else [min(found, key=self._measure)]
            if count == 1 and self._spent >= MAX_SEARCH:
                return []
        return [{name: self._extents.sizes[name] for name in self._group}]

    def _measure(self, values: Mapping[str, int]) -> int:
        return sum(abs(value - self._wanted[name]) for name, value in values.items())

    def _find_values(self, moved: Sequence[str]) -> dict[str, int] | None:
        """Find values of these sizes that fit beside the wanted ones of the others."""
        order = [*(name for name in self._group if name not in moved), *moved]
        return self._choose([*self._plan(order)], moved)

    def _plan(self, order: Sequence[str]) -> Iterator[_Step]:
        known: set[str] = set()
        for name in order:
            known.add(name)
            extents = ((i, each) for i, each in enumerate(self._extents.all) if name in each.letters <= known)
            letters = ((each, self._extents.letters(each.operands)) for each in self._extents.conditions)
            yield _Step(name, tuple(extents), tuple(each for each, those in letters if name in those <= known))

    def _choose(self, steps: Sequence[_Step], moved: Sequence[str]) -> dict[str, int] | None:
        if not steps:
            return {}
        step, *later = steps
        for value in self._list_values(step.name) if step.name in moved else [self._wanted[step.name]]:
            if self._holds(step, value):
                found = self._choose(later, moved)
                if found is not None:
                    return {**({step.name: value} if step.name in moved else {}), **found}
        return None

    def _list_values(self, name: str) -> Iterator[int]:
        """List the values of a size from the nearest on, the larger of two first."""
        wanted = self._wanted[name]
        for distance in range(1, max(wanted, self._largest - wanted + 1)):
            for value in (wanted + distance, wanted - distance):
                if 1 <= value <= self._largest and self._spent < MAX_SEARCH:
                    yield value

    def _holds(self, step: _Step, value: int) -> bool:
        """Tell whether a size may have this value beside those that were chosen, and put down what follows."""
        self._spent += len(step.extents) + len(step.conditions)
        row = self._row
        for i, extent in step.extents:
            found = value if isinstance(extent.law, SizeLaw) else extent.law(*[row[each] for each in extent.operands])
            if found is None:
                return False
            row[i] = found
        return all(condition.holds(*[row[each] for each in condition.operands]) for condition in step.conditions)
