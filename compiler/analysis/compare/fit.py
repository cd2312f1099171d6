"""The largest network of a family within budgets: a search over the values of one or two params.

Few values are all tried. Of many, doubling steps and then halves find the border between those that fit and those that
do not; with two params, one border for each value of the first. That is right where the numbers grow with the params,
which is checked on all networks that were tried: where they do not, every value is tried after all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from math import prod
from typing import Any, TypeAlias

from archspec.errors import ArchspecError, SpecError
from compiler.analysis.compare.conditions import Condition, ConditionError, Figure, Verdict, answer, find_numbers, judge
from compiler.analysis.compare.variation import Variation
from compiler.elaborate import MAX_NODES as TOO_MANY
from compiler.graph import Graph

FEW = 64
"""Networks that are all tried, rather than searched among."""

MAX_TRIES = 2_000
MAX_NODES = 500_000
"""Nodes of all networks that one search builds: some twenty seconds."""

NEIGHBOURS = 32
"""Values in a row for which there is no network, before the search takes it that there is none beyond."""

Build: TypeAlias = Callable[[Mapping[str, Any]], Graph]
"""The network for these values of params. Raises SpecError where there is none."""

Place: TypeAlias = tuple[int, ...]
"""A position among the values of each variation."""


@dataclass(frozen=True)
class Trial:
    """One network of the family: the params that make it, and how it stands to the budgets. `size` is the number by
    which networks are compared."""

    params: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]
    size: Figure

    @property
    def numbers(self) -> tuple[Figure, ...]:
        """All that may grow with the params."""
        return (self.size, *(number for verdict in self.verdicts for number in verdict.found))

    @property
    def fits(self) -> bool:
        return all(verdict.holds for verdict in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        return {"params": dict(self.params), "budgets": [verdict.to_dict() for verdict in self.verdicts]}


@dataclass(frozen=True)
class Fit:
    """The largest network, None where none fits; and for each param the one with its next larger value, which does not.

    `unfit` counts the values that were tried and give no network, and `example` is why one of them does not.
    `complete` says that every value was tried.
    """

    best: Trial | None
    beyond: tuple[Trial, ...]
    tries: int
    unfit: int
    example: str | None
    complete: bool

    def to_dict(self) -> dict[str, Any]:
        return {
            "best": self.best.to_dict() if self.best else None,
            "beyond": [trial.to_dict() for trial in self.beyond],
            "tries": self.tries,
            "unfit": {"count": self.unfit, "example": self.example},
            "complete": self.complete,
        }


def fit(
    build: Build,
    params: Mapping[str, Any],
    variations: Sequence[Variation],
    budgets: Sequence[Condition],
    *,
    maximize: str | None = None,
    on_try: Callable[[Mapping[str, Any]], None] = lambda values: None,
    **settings: Any,
) -> Fit:
    """Search the largest network within budgets, each of which is an upper bound.

    `params` are the spec's own. The largest is the one with the most of `maximize`, the path of a number; unless given,
    of the only param, or of two params the one with the most of the first budget's number. `on_try` is told the params
    of each network before it is built; `settings` are those of `analyze` (batch, precision, optimizer). Raises
    ArchspecError where the search is too wide, or no network can be built.
    """
    _check_question(variations, budgets)
    compared = maximize or (budgets[0].path if len(variations) > 1 else None)
    search = _Search(build, params, tuple(variations), tuple(budgets), compared, on_try, settings)
    return search.run()


def _check_question(variations: Sequence[Variation], budgets: Sequence[Condition]) -> None:
    if not budgets:
        raise ArchspecError('a search needs a budget, as in "params <= 5M"')
    for budget in budgets:
        if budget.operator not in {"<", "<="} or isinstance(budget.bound, str):
            raise ConditionError(f"'{budget.text}' is no budget, which is KEY <= NUMBER or KEY < NUMBER")
    if not 1 <= len(variations) <= 2 or len({variation.name for variation in variations}) < len(variations):
        raise ArchspecError(f"one param or two different ones are varied at once, found {len(variations)}")


@dataclass
class _Search:
    build: Build
    params: Mapping[str, Any]
    variations: tuple[Variation, ...]
    budgets: tuple[Condition, ...]
    compared: str | None
    on_try: Callable[[Mapping[str, Any]], None]
    settings: Mapping[str, Any]
    tried: dict[Place, Trial | None] = field(default_factory=dict)
    too_large: set[Place] = field(default_factory=set)
    nodes: int = 0
    error: SpecError | None = None

    def run(self) -> Fit:
        places = prod(variation.count for variation in self.variations)
        if places > FEW:
            self._walk_border()
            self._try_ends()
        if places <= FEW or not self._grows():
            self._try_all()
        built = self._built()
        if not built:
            raise ArchspecError(f"none of the {len(self.tried)} values that were tried gives a network: {self.error}")
        fitting = {place: trial for place, trial in built.items() if trial.fits}
        best = max(fitting, key=lambda place: (fitting[place].size, place), default=None)
        beyond = [built[min(built)]] if best is None else [*self._next_larger(best)]
        return Fit(
            best=None if best is None else fitting[best],
            beyond=tuple(beyond),
            tries=len(self.tried),
            unfit=sum(trial is None for trial in self.tried.values()),
            example=str(self.error.diagnostics[0]) if self.error else None,
            complete=len(self.tried) == places,
        )

    def _built(self) -> dict[Place, Trial]:
        return {place: trial for place, trial in self.tried.items() if trial}

    def _next_larger(self, best: Place) -> Iterator[Trial]:
        for axis, variation in enumerate(self.variations):
            position = self._next_built(best, axis, best[axis] + 1, variation.count)
            trial = None if position is None else self.attempt(_move(best, axis, position))
            if trial:
                yield trial

    # -- one network --

    def attempt(self, place: Place) -> Trial | None:
        """The network at a place, None where there is none."""
        if place not in self.tried:
            if len(self.tried) >= MAX_TRIES or self.nodes >= MAX_NODES:
                ranges = " ".join(f"--vary {variation}=LOW..HIGH" for variation in self.variations)
                message = f"after {len(self.tried):,} networks the search has not come to its end; narrow it"
                raise ArchspecError(f"{message} ({ranges}), or take larger steps, as in {self.variations[0]}:8")
            self.tried[place] = self._measure(place)
        return self.tried[place]

    def _measure(self, place: Place) -> Trial | None:
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
                self.nodes += TOO_MANY
            return None
        self.nodes += len(graph)
        paths = [*(budget.path for budget in self.budgets), *([self.compared] if self.compared else [])]
        data = answer(graph, paths, **self.settings)
        size = sum(find_numbers(data, self.compared)) if self.compared else place[0]
        return Trial(chosen, tuple(judge(budget, data) for budget in self.budgets), size)

    # -- many --

    def _try_all(self) -> None:
        outer, *inner = (range(variation.count) for variation in self.variations)
        for first in outer:  # one by one: a range without an end is long
            for second in inner[0] if inner else (None,):
                self.attempt((first,) if second is None else (first, second))

    def _grows(self) -> bool:
        """Whether no number of a network that was tried is smaller than that of one with smaller values."""
        rows = [(place, trial.numbers) for place, trial in sorted(self._built().items())]
        pairs = pairwise(rows) if len(self.variations) == 1 else combinations(rows, 2)
        return all(
            _is_within(numbers, others) for (place, numbers), (other, others) in pairs if _is_within(place, other)
        )

    def _walk_border(self) -> None:
        """Try the values around the border; with two variations, for each value of the first that of the second."""
        axis = len(self.variations) - 1
        stop, missing = self.variations[axis].count, 0
        for first in range(self.variations[0].count) if axis else (0,):
            start = (first, 0)[: axis + 1]
            last = self._find_last(start, axis, stop)
            missing = missing + 1 if last is None and not self._any_built(start, axis) else 0
            if missing == NEIGHBOURS or (last is None and not missing):
                return
            stop = stop if last is None else last + 1

    def _try_ends(self) -> None:
        """The last value of a range that was given shows whether the numbers fall behind the border."""
        if len(self.variations) == 1 and self.variations[0].high is not None:
            self.attempt((self.variations[0].count - 1,))

    def _any_built(self, start: Place, axis: int) -> bool:
        return any(place[:axis] == start[:axis] for place in self._built())

    def _find_last(self, start: Place, axis: int, stop: int) -> int | None:
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
            first = max(low + 1, middle - NEIGHBOURS + 1)
            position = self._next_built(start, axis, middle, high)
            position = self._next_built(start, axis, first, middle) if position is None else position
            if position is None:
                high = first
            elif self._fits(_move(start, axis, position)):
                low = position
            else:
                high = position
        return low

    def _sample(self, start: Place, axis: int, low: int, stop: int) -> None:
        """Try some larger values where the smallest does not fit: the numbers may fall."""
        for step in (1, 2, 4, 8, 16, 32):
            self._next_built(start, axis, low + step, stop)

    def _leap(self, start: Place, axis: int, low: int, stop: int) -> tuple[int, int]:
        """In steps that double: a position that fits, and one behind it from which on none is taken to."""
        step = 1
        while low + step < stop:
            position = self._next_built(start, axis, low + step, stop)
            if position is None or not self._fits(_move(start, axis, position)):
                return low, low + step if position is None else position
            low, step = position, 2 * step
        return low, stop

    def _next_built(self, start: Place, axis: int, first: int, stop: int) -> int | None:
        """The first position along an axis from `first` on at which there is a network, if one is near."""
        for position in range(first, min(stop, first + NEIGHBOURS)):
            place = _move(start, axis, position)
            if self.attempt(place):
                return position
            if place in self.too_large:
                return None
        return None

    def _fits(self, place: Place) -> bool:
        trial = self.attempt(place)
        return trial is not None and trial.fits


def _move(place: Place, axis: int, position: int) -> Place:
    return (*place[:axis], position, *place[axis + 1 :])


def _is_within(first: Sequence[Figure], second: Sequence[Figure]) -> bool:
    """Whether no entry is larger than its counterpart."""
    return all(a <= b for a, b in zip(first, second, strict=True))
