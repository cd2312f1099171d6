"""Steps are the clock of a training."""

from __future__ import annotations

import pytest

from archspec.errors import InputError
from runtime.recipes.recipe import Recipe
from runtime.training.clock import MAX_STEP_LINES, StepClock, batch_of


def test_epochs_are_counted_from_steps() -> None:
    clock = StepClock.of(Recipe(epochs=3, batch=10), 95)
    assert (clock.per_epoch, clock.steps, clock.epochs) == (10, 30, 3)
    assert [clock.epoch_of(step) for step in (0, 1, 10, 11, 30)] == [0, 1, 1, 2, 3]
    assert [step for step in range(1, 31) if clock.is_evaluated(step)] == [10, 20, 30]
    assert [step for step in range(1, 31) if clock.is_saved(step)] == [10, 20, 30]
    assert all(clock.is_logged(step) for step in range(1, 31))


def test_steps_may_be_said_instead() -> None:
    clock = StepClock.of(Recipe(steps=25, batch=10, evaluate_every=7, checkpoint_every=4), 95)
    assert (clock.steps, clock.epochs) == (25, 3)
    assert [step for step in range(1, 26) if clock.is_evaluated(step)] == [7, 14, 21, 25]
    assert [step for step in range(1, 26) if clock.is_saved(step)] == [4, 8, 12, 16, 20, 24, 25]


@pytest.mark.parametrize("steps", [999, 1000, 1001, 12345])
def test_of_many_steps_some_have_a_line(steps: int) -> None:
    clock = StepClock.of(Recipe(steps=steps, batch=10), 95)
    logged = [step for step in range(1, steps + 1) if clock.is_logged(step)]
    assert len(logged) <= MAX_STEP_LINES + 1
    assert logged[-1] == steps
    assert len(logged) > MAX_STEP_LINES // 2 or steps < 1000


def test_a_batch_that_is_to_be_found_is_none() -> None:
    assert batch_of(Recipe(batch=7)) == 7
    with pytest.raises(InputError, match="auto is found by"):
        batch_of(Recipe(batch="auto"))
