"""A recipe is checked when it is made."""

from __future__ import annotations

from typing import Any

import pytest

from archspec.errors import ArchspecError
from runtime.training.recipe import Recipe


@pytest.mark.parametrize(
    "change",
    [{"epochs": 0}, {"batch": 0}, {"learning_rate": 0}, {"learning_rate": float("nan")}, {"weight_decay": -1},
     {"momentum": 1}, {"label_smoothing": -0.1}, {"warmup": 1}, {"shift": -1}, {"seed": -1}],
)  # fmt: skip
def test_settings_out_of_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ArchspecError, match=f"{next(iter(change))} must be"):
        Recipe(**change)


def test_a_recipe_is_written_and_read_again() -> None:
    recipe = Recipe(epochs=3, ramp_drop=True, threads=2)
    assert Recipe(**recipe.to_dict()) == recipe
    assert set(recipe.to_dict()) == {
        *("epochs", "batch", "learning_rate", "weight_decay", "momentum", "label_smoothing", "warmup", "shift"),
        *("ramp_drop", "seed", "threads"),
    }
