"""What is due at which step of a training: steps are its clock, epochs are counted from them."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.errors import InputError
from runtime.data.batches import count_steps
from runtime.recipes.recipe import Recipe

MAX_STEP_LINES = 1000
"""The largest number of steps, but for one, of which each has a line in the metrics; of more, every second, third, …
has one."""


@dataclass(frozen=True, slots=True)
class StepClock:
    """The steps of a training, counted from 1: `per_epoch` of them make an epoch, and after so many of them, each, it
    is evaluated and saved."""

    per_epoch: int
    steps: int
    evaluate_every: int
    checkpoint_every: int

    @classmethod
    def of(cls, recipe: Recipe, samples: int) -> StepClock:
        """Count by a recipe, whose batch is known, for a number of training images."""
        per_epoch = count_steps(samples, batch_of(recipe))
        evaluate_every = recipe.evaluate_every or per_epoch
        return cls(
            per_epoch,
            recipe.steps or (recipe.epochs or 0) * per_epoch,
            evaluate_every,
            recipe.checkpoint_every or evaluate_every,
        )

    @property
    def epochs(self) -> int:
        """The number of epochs, of which the last may be a part."""
        return self.epoch_of(self.steps)

    def epoch_of(self, step: int) -> int:
        """The number of the epoch, from 1, that a step is in; 0 for step 0, before the first."""
        return count_steps(step, self.per_epoch)

    def is_logged(self, step: int) -> bool:
        """Tell whether a step has a line in the metrics."""
        return step % -(-self.steps // MAX_STEP_LINES) == 0 or step == self.steps

    def is_evaluated(self, step: int) -> bool:
        """Tell whether the network is evaluated after a step."""
        return step % self.evaluate_every == 0 or step == self.steps

    def is_saved(self, step: int) -> bool:
        """Tell whether a checkpoint is due after a step."""
        return step % self.checkpoint_every == 0 or step == self.steps


def batch_of(recipe: Recipe) -> int:
    """The number of images of a step. Raises InputError where it is to be found yet."""
    if isinstance(recipe.batch, str):
        raise InputError("batch: auto is found by `archspec train` and archspec.train; write a number here")
    return recipe.batch
