"""Which evaluation is the best one so far, and whether it is time to stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archspec.errors import InputError
from runtime.data.dataset import Dataset
from runtime.recipes.optimization import EarlyStopping
from runtime.recipes.recipe import Recipe


@dataclass(slots=True)
class Choice:
    """The choice among a training's evaluations by the main score of the validation images.

    Where there are none, `chooses` is false: then the last evaluation is the best. `rank` is the score, negated where
    lower is better, of the best `step`; `mark` that of the last one which was better by as much as early stopping asks,
    and `stale` how many evaluations came after that one.
    """

    chooses: bool
    stopping: EarlyStopping | None = None
    step: int | None = None
    rank: float | None = None
    mark: float | None = None
    stale: int = 0

    @classmethod
    def of(cls, recipe: Recipe, data: Dataset) -> Choice:
        """Choose as a recipe says, on a data set. Raises InputError where it says early stopping, and there is nothing
        to choose by."""
        if recipe.early_stopping is not None and data.validation is None:
            raise InputError(
                f"early_stopping chooses by validation images, and {data.name} has none: split some off the training "
                "images (data.validation: 0.1 in the recipe), or leave it out"
            )
        return cls(data.validation is not None, recipe.early_stopping)

    def consider(self, step: int, rank: float) -> bool:
        """Take in an evaluation, and tell whether it is the best so far; of equals the first is."""
        best = not self.chooses or self.rank is None or rank > self.rank
        if best:
            self.step, self.rank = step, rank
        least = self.stopping.least if self.stopping else 0.0
        if self.mark is None or rank > self.mark + least:
            self.mark, self.stale = rank, 0
        else:
            self.stale += 1
        return best

    @property
    def is_over(self) -> bool:
        """True if early stopping ends the training."""
        return self.stopping is not None and self.stale >= self.stopping.patience

    def to_dict(self) -> dict[str, Any]:
        """Write what `load` takes up."""
        return {name: getattr(self, name) for name in ("step", "rank", "mark", "stale")}

    def load(self, written: Mapping[str, Any]) -> None:
        """Go on from what was written."""
        self.step, self.rank = written["step"], written["rank"]
        self.mark, self.stale = written["mark"], written["stale"]
