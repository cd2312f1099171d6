"""The largest network of a family within budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archspec.errors import ArchspecError
from compiler.analysis.compare.conditions import Condition
from compiler.analysis.compare.search import Build, FamilySearch, TriedNetwork
from compiler.analysis.compare.units import ConditionError
from compiler.analysis.compare.variation import Variation
from compiler.analysis.memory.setup import USUAL, TrainingSetup


@dataclass(frozen=True)
class FitResult:
    """The largest network, None where none fits; and for each param the one with its next larger value.

    `unfit` counts the values that were tried and give no network, and `example` is why one of them does not.
    `complete` says that every value was tried; `proven` that every one was that could give a larger network. Where not,
    `grows` says whether the numbers grow with the params in all networks that were tried, and of one param `climbed` is
    the value up to which all above the largest network's were tried.
    """

    best: TriedNetwork | None
    beyond: tuple[TriedNetwork, ...]
    tries: int
    unfit: int
    example: str | None
    complete: bool
    proven: bool
    grows: bool | None = None
    climbed: int | float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "best": self.best.to_dict() if self.best else None,
            "beyond": [trial.to_dict() for trial in self.beyond],
            "tries": self.tries,
            "unfit": {"count": self.unfit, "example": self.example},
            "complete": self.complete,
            "proven": self.proven,
            "grows": self.grows,
            "climbed": self.climbed,
        }


def fit(
    build: Build,
    params: Mapping[str, Any],
    variations: Sequence[Variation],
    budgets: Sequence[Condition],
    *,
    maximize: str | None = None,
    on_try: Callable[[Mapping[str, Any]], None] = lambda values: None,
    setup: TrainingSetup = USUAL,
) -> FitResult:
    """Search the largest network within budgets, each of which is an upper bound.

    `params` are the spec's own. The largest is the one with the most of `maximize`, the path of a number; unless given,
    of the only param, or of two params the one with the most of the first budget's number. `on_try` is told the params
    of each network before it is built; the `setup` is that of the memory. Raises ArchspecError where the search is too
    wide, or no network can be built.
    """
    _check_question(variations, budgets)
    compared = maximize or (budgets[0].path if len(variations) > 1 else None)
    search = FamilySearch(build, params, tuple(variations), tuple(budgets), compared, on_try, setup)
    search.run()
    best, complete = search.find_best(), search.is_complete()
    proven = complete or search.is_at_end()
    beyond = tuple(search.find_next(best)) if best else (search.built[min(search.built)],)
    built = search.built  # with the networks beyond, which may not have been tried before
    return FitResult(
        best=None if best is None else built[best],
        beyond=beyond,
        tries=len(search.tried),
        unfit=len(search.tried) - len(built),
        example=str(search.error.diagnostics[0]) if search.error else None,
        complete=complete,
        proven=proven,
        grows=None if proven else search.grows(),
        climbed=None if proven else search.last_climbed(),
    )


def _check_question(variations: Sequence[Variation], budgets: Sequence[Condition]) -> None:
    if not budgets:
        raise ArchspecError('a search needs a budget, as in "params <= 5M"')
    for budget in budgets:
        if budget.operator not in {"<", "<="} or isinstance(budget.bound, str):
            raise ConditionError(f"'{budget.text}' is no budget, which is KEY <= NUMBER or KEY < NUMBER")
    if not 1 <= len(variations) <= 2 or len({variation.name for variation in variations}) < len(variations):
        raise ArchspecError(f"one param or two different ones are varied at once, found {len(variations)}")
