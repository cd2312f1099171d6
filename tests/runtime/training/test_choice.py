"""The best evaluation is chosen where there is something to choose by."""

from __future__ import annotations

import dataclasses
import json

import pytest

from archspec.errors import InputError
from runtime.recipes.optimization import EarlyStopping
from runtime.recipes.recipe import Recipe
from runtime.training.choice import Choice
from tests.support.models import make_data

DATA = make_data()
CHOOSING = dataclasses.replace(DATA, validation=DATA.test)


def consider(choice: Choice, ranks: list[float]) -> list[bool]:
    return [choice.consider(step, rank) for step, rank in enumerate(ranks, 1)]


def test_the_first_of_the_best_is_it() -> None:
    choice = Choice.of(Recipe(), CHOOSING)
    assert consider(choice, [0.5, 0.4, 0.7, 0.7, 0.6]) == [True, False, True, False, False]
    assert (choice.step, choice.rank, choice.is_over) == (3, 0.7, False)


def test_where_nothing_is_chosen_the_last_one_is_it() -> None:
    choice = Choice.of(Recipe(), DATA)
    assert consider(choice, [0.5, 0.4, 0.7]) == [True, True, True]
    assert choice.step == 3
    with pytest.raises(InputError, match=r"rows has none: split some off the training images \(data.validation: 0.1"):
        Choice.of(Recipe(early_stopping=EarlyStopping()), DATA)


def test_training_stops_when_it_gets_no_better() -> None:
    """Better by less than is asked counts as no better, as a slow creep does; the best is the best all the same."""
    recipe = Recipe(early_stopping=EarlyStopping(patience=2, least=0.1))
    choice = Choice.of(recipe, CHOOSING)
    over = []
    for step, rank in enumerate([0.3, 0.35, 0.41, 0.45, 0.49], 1):
        choice.consider(step, rank)
        over.append(choice.is_over)
    assert over == [False, False, False, False, True]
    assert (choice.step, choice.mark) == (5, 0.41)


def test_a_choice_is_taken_up_where_it_was() -> None:
    recipe = Recipe(early_stopping=EarlyStopping(patience=3))
    first, second = Choice.of(recipe, CHOOSING), Choice.of(recipe, CHOOSING)
    consider(first, [0.5, 0.4])
    second.load(json.loads(json.dumps(first.to_dict())))
    assert second == first
    assert [first.consider(3, 0.45), first.consider(4, 0.6)] == [second.consider(3, 0.45), second.consider(4, 0.6)]
    assert second == first
