"""The recipes of the zoo as rows."""

from __future__ import annotations

import pytest

from archspec.errors import InputError
from archspec.spec.zoo import zoo_recipes
from runtime.recipes.listing import list_recipes


def test_a_row_says_how_a_recipe_trains() -> None:
    (row,) = list_recipes(["he2015"])
    assert {key: row[key] for key in row if key not in ("description", "file")} == {
        "name": "he2015", "source": "He et al., 2015, section 4.2", "task": "labels", "epochs": None, "steps": 64_000,
        "batch": 128, "optimizer": "sgd", "lr": 0.1, "schedule": "step",
    }  # fmt: skip


def test_words_choose() -> None:
    assert [row["name"] for row in list_recipes()] == list(zoo_recipes())
    assert [row["name"] for row in list_recipes(["UNET", "digits"])] == ["digits", "unet", "unet3d"]
    with pytest.raises(InputError, match="no recipe in the zoo fits 'he2014'; did you mean 'he2015'"):
        list_recipes(["he2014"])
