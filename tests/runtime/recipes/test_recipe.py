"""Recipes as objects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.errors import InputError
from runtime.recipes.optimization import AdamW
from runtime.recipes.recipe import FOR_TASKS, LOSSES, Recipe


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"optimizer": {"name": "adamw", "lr": 1e-3}, "schedule": {"name": "constant"}},
        {"steps": 5, "optimizer": {"momentum": 0}},
        {"schedule": {"name": "step", "milestones": [0.5, 0.75]}, "loss": {"outputs": {"a": 1, "b": 0.5}}},
        {"early_stopping": {}, "data": {"window": [0, 1], "fold": "2/5"}, "batch": "auto"},
    ],
)
def test_a_recipe_comes_back_from_its_plain_values(given: dict[str, Any]) -> None:
    recipe = Recipe.model_validate(given)
    assert Recipe.model_validate(recipe.to_dict()) == recipe
    assert Recipe(**recipe.to_dict()) == recipe


def test_steps_are_instead_of_epochs() -> None:
    assert (Recipe().epochs, Recipe().steps) == (30, None)
    assert (Recipe(steps=7).epochs, Recipe(steps=7).steps) == (None, 7)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"epochs": 0}, "`epochs` of a recipe should be at least 1, found 0"),
        ({"batch": True}, "`batch` of a recipe should be a whole number from 1 on, or `auto`, found true"),
        ({"seed": "x"}, "`seed` of a recipe should be a whole number, found 'x'"),
        ({"clip": 0}, "`clip` of a recipe should be above 0, found 0"),
        ({"ema": 1.0}, "`ema` of a recipe should be below 1, found 1.0"),
        ({"clip": float("nan")}, "`clip` of a recipe should be a finite number, found nan"),
        ({"compile": 1}, "`compile` of a recipe should be a boolean, found 1"),
        ({"epochs": 1, "steps": 2}, "has both `epochs` and `steps`"),
        ({"epochs": None}, "has neither `epochs` nor `steps`"),
        ({"batch": 10, "accumulate": 3}, "has `accumulate: 3`, which does not divide `batch: 10` into equal parts"),
        (
            {"fsdp": True, "optimizer": {"name": "muon"}},
            "has `fsdp: true` and `optimizer.name: muon`, which makes whole",
        ),
        ({"fsdp": True, "compile": True}, "has `fsdp: true` and `compile: true`, which is not supported with it"),
        ({"fsdp": True, "memory_format": "channels_last"}, "has `fsdp: true` and `memory_format: channels_last`"),
        ({"test_time_augmentation": ["horizontal"] * 2}, "mirrors an axis twice"),
        ({"task": "maps", "mix": {"mixup": 0.2}}, "has `task: maps`, and `mix.mixup` is for labels, not for maps"),
        ({"task": "labels", "loss": {"name": "dice"}}, "`loss.name: dice` is no loss of labels: take `cross_entropy`"),
        ({"speed": 1}, "unknown key 'speed' of a recipe"),
        ({"freeze": ["a"] * 1001}, "`freeze` of a recipe should have at most 1000 items, not 1001"),
    ],
)
def test_values_that_cannot_be_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as error:
        Recipe(**given)
    assert words in str(error.value)


def test_all_contradictions_are_told_at_once() -> None:
    with pytest.raises(InputError, match=r"(?s)epochs.*accumulate.*mirrors"):
        Recipe(epochs=1, steps=1, batch=3, accumulate=2, test_time_augmentation=["vertical"] * 2)


def test_parts_of_a_batch_are_counted_where_the_batch_is_known() -> None:
    assert Recipe(batch="auto", accumulate=3).accumulate == 3


@pytest.mark.parametrize("task", LOSSES)
def test_a_task_has_its_losses_and_no_others(task: str) -> None:
    names = {name for losses in LOSSES.values() for name in losses}
    for name in names:
        recipe = Recipe.model_validate({"loss": {"name": name}})
        if name in LOSSES[task]:
            recipe.check_task(task)
            continue
        with pytest.raises(InputError, match=f"`loss.name: {name}` is no loss of {task}"):
            recipe.check_task(task)


ON: dict[str, Any] = {
    "loss.label_smoothing": 0.1, "mix.mixup": 0.2, "mix.cutmix": 1.0, "sampling": "balanced",
    "augment.auto": "rand_augment", "loss.class_weights": "balanced",
}  # fmt: skip


@pytest.mark.parametrize("path", FOR_TASKS)
@pytest.mark.parametrize("task", LOSSES)
def test_what_a_task_does_not_have_is_refused_by_name(path: str, task: str) -> None:
    Recipe().check_task(task)
    section, _, name = path.rpartition(".")
    recipe = Recipe.model_validate({section: {name: ON[path]}} if section else {name: ON[path]})
    if task in FOR_TASKS[path]:
        recipe.check_task(task)
        return
    with pytest.raises(InputError, match=f"`{path}` is for .*, not for {task}: leave it out"):
        recipe.check_task(task)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
)


@given(ANYTHING, st.sampled_from(list(Recipe.model_fields)))
def test_whatever_is_given_is_taken_or_refused_in_words(value: Any, name: str) -> None:
    said = ""
    try:
        recipe = Recipe(**{name: value})
    except InputError as error:
        said = str(error)
    else:
        assert Recipe(**recipe.to_dict()) == recipe
    assert not any(word in said for word in ("pydantic", "Input", "String"))


def test_a_recipe_does_not_change() -> None:
    recipe = Recipe(optimizer=AdamW())
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 3  # type: ignore[misc]
