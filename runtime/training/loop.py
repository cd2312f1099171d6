"""The loop of training, for any task: the same weights for the same seed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from archspec.errors import InputError
from archspec.extras import extra
from compiler.torch_target.modes import device_of, limited_to
from runtime.data.batches import count_steps, iterate_batches, mix_seed, shift_images
from runtime.data.dataset import Dataset
from runtime.recipes.objective import LossSection
from runtime.tasks.grid import OutputGrid
from runtime.tasks.labels import Labels
from runtime.tasks.task import ScoreCounts
from runtime.training.drop_ramp import DropRamp
from runtime.training.grids import find_grids
from runtime.training.metrics import Epoch, EpochMeter, Progress
from runtime.training.module_outputs import evaluate_module, name_outputs
from runtime.training.objective import Objective, measure
from runtime.training.optimizer import build_optimizer
from runtime.training.recipe import Recipe
from runtime.training.schedule import learning_rate_at
from runtime.training.state import TrainState, copy_weights

with extra("train"):
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class TrainResult:
    """The last step's weights, by name, on the CPU. The held-out images chose nothing: they were seen afterwards.

    `test_scores` are the task's metrics, the main one first; with several outputs the loss is the sum of theirs, and
    the scores are those of the last one.
    """

    state: dict[str, Tensor]
    history: tuple[Epoch, ...]
    steps: int
    seconds: float
    test_images: int
    test_loss: float
    test_scores: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Give everything but the weights; each score stands under `test_` and its metric's name."""
        return {"history": [epoch.to_dict() for epoch in self.history], **self.measured}

    @property
    def measured(self) -> dict[str, Any]:
        """The last line of a run's metrics: all of `to_dict` but the history, which stands before it."""
        return {
            "steps": self.steps,
            "seconds": self.seconds,
            "test_images": self.test_images,
            "test_loss": self.test_loss,
            **{f"test_{name}": score for name, score in self.test_scores.items()},
        }


def train(
    module: nn.Module,
    data: Dataset,
    recipe: Recipe | None = None,
    on_step: Callable[[Progress], None] = lambda progress: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    *,
    grids: Mapping[str, OutputGrid] | None = None,
) -> TrainResult:
    """Train `module`, from images (N, C, H, W) to what the data's task needs, in place and on the device it is on.

    A module with several outputs learns on each of them: the loss is their sum. `grids` are those of the outputs by
    name, where they are known; otherwise `find_grids` finds them.

    Raises InputError where the module does not fit the data, or the loss stops being finite. On the CPU, the same
    module, recipe and number of threads give the same weights, bit for bit.
    """
    recipe = recipe or Recipe()
    device = device_of(module)
    own_generators = [device] if device.type == "cuda" else []
    with limited_to(recipe.threads), torch.random.fork_rng(devices=own_generators):
        grids = grids or find_grids(module, data)
        with DropRamp(module, recipe.ramp_drop) as ramp:
            state = TrainState(module, build_optimizer(module, recipe))
            objective = make_objective(data, grids, recipe)
            loop = TrainingLoop(state, data, objective, recipe, ramp, on_step)
            history = []
            while state.epoch < recipe.epochs:
                history.append(loop.train_epoch())
                on_epoch(history[-1])
        weights = copy_weights(module)
        loss, scores = measure(evaluate_module(module, data.held_out), data.held_out, objective.task, grids)
    return TrainResult(
        state=weights,
        history=tuple(history),
        steps=state.step,
        seconds=loop.seconds,
        test_images=len(data.test),
        test_loss=loss,
        test_scores=scores,
    )


def make_objective(data: Dataset, grids: Mapping[str, OutputGrid], recipe: Recipe) -> Objective:
    """Make the objective of a training, which smooths labels alone."""
    smoothing = recipe.label_smoothing if data.task == Labels.name else 0.0
    return Objective.of(data, grids, LossSection(label_smoothing=smoothing))


class TrainingLoop:
    """The loop that takes the steps of a training from wherever its state is; `on_step` hears of each.

    Which images a step sees, how they are varied, and what the module draws is a function of (seed, epoch, step).
    """

    def __init__(
        self,
        state: TrainState,
        data: Dataset,
        objective: Objective,
        recipe: Recipe,
        ramp: DropRamp,
        on_step: Callable[[Progress], None],
    ) -> None:
        self.state, self.objective, self.recipe, self.ramp, self.on_step = state, objective, recipe, ramp, on_step
        self.images = torch.from_numpy(data.training.images).to(device_of(state.module))
        self.labels = torch.from_numpy(data.training.labels)
        self.blank = data.preprocess.normalize(np.zeros((data.preprocess.channels, 1, 1))).ravel().tolist()
        self.steps = recipe.epochs * count_steps(len(data.train), recipe.batch)
        self.first_step, self.start = state.step, time.perf_counter()

    @property
    def seconds(self) -> float:
        """The seconds since the loop began."""
        return time.perf_counter() - self.start

    def train_epoch(self) -> Epoch:
        """Train on every image once, to the end of the state's epoch."""
        state, recipe = self.state, self.recipe
        state.module.train()
        meter = EpochMeter(self.objective.task)
        for chosen in iterate_batches(len(self.images), recipe.batch, recipe.seed, state.epoch):
            meter.add(len(chosen), *self.take_step(chosen))
            self.on_step(self._describe(meter))
        state.epoch += 1
        return Epoch(
            epoch=state.epoch,
            loss=meter.loss,
            metric=meter.metric,
            score=meter.score,
            learning_rate=state.learning_rate,
            seconds=meter.seconds,
            samples_per_second=meter.samples_per_second,
        )

    def take_step(self, chosen: Tensor) -> tuple[float, ScoreCounts]:
        """Take one step of the optimizer, on the images with the indices `chosen` (N,).

        Gives their mean loss, and the task's counts of right and wrong. Raises InputError where the loss is not
        finite; the weights are then as they were.
        """
        state, recipe = self.state, self.recipe
        seed = mix_seed(recipe.seed, state.epoch, state.step)
        torch.manual_seed(seed)  # for dropout and its like inside the module
        self.ramp.move(state.step / self.steps)
        outputs = self._run(self._vary(chosen, seed))
        targets = self.labels[chosen]
        loss = self.objective.compute_loss(outputs, targets)
        value = float(loss.item())
        if not math.isfinite(value):
            raise InputError(
                f"the loss became {value} at step {state.step + 1} of {self.steps} (epoch {state.epoch + 1}); "
                f"try a learning rate below {recipe.learning_rate:g} (--lr; in Python also a longer `warmup`)"
            )
        state.update(loss, learning_rate_at(state.step, self.steps, recipe.schedule, recipe.learning_rate))
        return value, self.objective.count(outputs, targets)

    def _vary(self, chosen: Tensor, seed: int) -> Tensor:
        shift = self.recipe.shift if self.objective.task.shifted else 0
        return shift_images(self.images[chosen.to(self.images.device)], shift, self.blank, seed)

    def _run(self, images: Tensor) -> dict[str, Tensor]:
        try:
            return name_outputs(self.state.module(images))
        except ValueError as error:  # batch normalization of one value per channel, which evaluation does not mind
            raise InputError(
                f"the network cannot train on a step of {len(images)} of {len(self.images)} images "
                f"(batch {self.recipe.batch}): {error}; try a larger batch"
            ) from error

    def _describe(self, meter: EpochMeter) -> Progress:
        state = self.state
        return Progress(
            epoch=state.epoch + 1,
            epochs=self.recipe.epochs,
            step=state.step,
            steps=self.steps,
            loss=meter.loss,
            metric=meter.metric,
            score=meter.score,
            learning_rate=state.learning_rate,
            samples_per_second=meter.samples_per_second,
            seconds_left=self.seconds / (state.step - self.first_step) * (self.steps - state.step),
        )
