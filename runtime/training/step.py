"""One step of training: its images in parts, the gradient of their loss, and the weights' move down it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from archspec.errors import InputError
from archspec.extras import extra
from compiler.torch_target.modes import device_of
from runtime.data.batches import mix_seed
from runtime.data.fetching import Batch, normalize_images
from runtime.pictures.preprocess import Preprocess
from runtime.recipes.recipe import Recipe
from runtime.tasks.task import ScoreCounts
from runtime.training.compiling import telling_of_compiler
from runtime.training.mixing import mix_batch
from runtime.training.module_outputs import name_outputs
from runtime.training.objective import Objective
from runtime.training.optimizer import set_learning_rate
from runtime.training.precision import LEAST_SCALE, Precision, lay_images
from runtime.training.ranks import Ranks
from runtime.training.state import TrainState

with extra("train"):
    import torch
    from torch import Tensor
    from torch.nn.utils import clip_grads_with_norm_, get_total_norm

MIXING = 1
"""The number that tells what mixes images from what the module draws, of one seed."""


@dataclass(frozen=True, slots=True)
class StepFigures:
    """The figures of a step: the mean loss of its images, the task's counts of right and wrong, the gradient's norm
    before clipping, and by what part of their norm the weights moved, where that was asked."""

    loss: float
    counts: ScoreCounts
    gradient_norm: float
    update_ratio: float | None


@dataclass(frozen=True, slots=True, eq=False)
class StepTask:
    """How steps are to be taken, and how stored images become what the network reads."""

    recipe: Recipe
    preprocess: Preprocess


class NonfiniteStepError(InputError):
    """The step was not taken since a number is not finite: `what` it is, and the images (N, ...) and the number of the
    part of the step that it came of, with the place of the first of them in the step, and the process whose they are
    (`source`), where that is known. The weights, and all that the network knows beside them, are as they were
    before."""

    def __init__(
        self, what: str, part: int = 0, first: int = 0, images: Tensor | None = None, source: int | None = None
    ) -> None:
        super().__init__(what)
        self.what, self.part, self.first, self.images, self.source = what, part, first, images, source


class StepTaker:
    """Takes steps of the recipe's optimizer. `forward` computes the outputs: the state's module, or a compiled or
    distributed form of it."""

    def __init__(
        self, state: TrainState, forward: Callable[[Tensor], Any], objective: Objective, task: StepTask, ranks: Ranks
    ) -> None:
        self.state, self.forward, self.objective, self.ranks = state, forward, objective, ranks
        self.recipe, self.preprocess = task.recipe, task.preprocess
        self.device = device_of(state.module)
        self.precision = Precision(self.recipe, self.device)
        self.weights = [weight for weight in state.module.parameters() if weight.requires_grad]
        self.buffers = list(state.module.buffers())

    def take(self, batch: Batch, rate: float, seed: Callable[[int], int], *, measured: bool) -> StepFigures:
        """Take a step at a learning rate; `seed` says by which seed the module draws for each part of the step, and
        `measured` asks for the update ratio.

        Raises NonfiniteStepError where a loss or a gradient is not finite, and InputError where the module cannot learn
        of so few images.
        """
        kept = [buffer.clone() for buffer in self.buffers]
        self.state.optimizer.zero_grad(set_to_none=True)
        try:
            loss, counts = self._add_gradients(batch, seed)
            norm = self._finish_gradient()
        except NonfiniteStepError:
            for buffer, value in zip(self.buffers, kept, strict=True):
                buffer.copy_(value)
            raise
        before = [weight.detach().clone() for weight in self.weights] if measured else None
        self._move(rate)
        return StepFigures(loss, counts, norm, None if before is None else self._compare(before))

    def _add_gradients(self, batch: Batch, seed: Callable[[int], int]) -> tuple[float, ScoreCounts]:
        """Compute the gradients of the step's parts, which add up to that of all its images."""
        parts = min(self.recipe.accumulate, len(batch))
        if self.recipe.accumulate > 1:  # each part is a meeting, where BatchNorm's statistics are shared
            parts = self.ranks.least(parts)
        alone = parts == 1 and self.ranks.size == 1
        whole = None if alone else self.ranks.add_up(self.objective.weigh(batch.targets))
        loss, counts, done = 0.0, np.zeros(()), 0
        pairs = zip(torch.tensor_split(batch.images, parts), torch.tensor_split(batch.targets, parts), strict=True)
        for number, (images, labels) in enumerate(pairs):
            torch.manual_seed(seed(number))  # for dropout and its like inside the module
            images, labels = self._prepare(images, labels, seed(number))
            with self.ranks.collecting(self.forward) if number < parts - 1 else nullcontext():
                outputs = self._run(images, len(batch))
                part_loss = self.objective.compute_loss(outputs, labels, whole)
                value = float(part_loss.item())
                if (source := self._find_spoiled(value)) is not None:
                    raise NonfiniteStepError(f"the loss became {value}", number, done, images, source)
                # the parts of all processes add up to the loss, and their gradients are averaged
                self._scale(part_loss * self.ranks.size).backward()
            loss, counts, done = loss + value, counts + self.objective.count(outputs, labels), done + len(labels)
        return self._add_up(loss, counts)

    def _find_spoiled(self, loss: float) -> int | None:
        """Find the first of the processes whose loss of a part is not finite, if there is one: what comes then is done
        by all."""
        found = self.ranks.least(self.ranks.size if math.isfinite(loss) else self.ranks.rank)
        return found if found < self.ranks.size else None

    def _add_up(self, loss: float, counts: ScoreCounts) -> tuple[float, ScoreCounts]:
        """Add up the loss and the counts of all processes."""
        if self.ranks.size == 1:
            return loss, counts
        total = self.ranks.add_up(np.array([loss, *np.ravel(counts)]))
        return float(total[0]), total[1:].reshape(np.shape(counts))

    def _prepare(self, stored: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Normalize a part of the step on the device, and mix it as the recipe says. What the targets weigh stays,
        since each is a partner once."""
        images = normalize_images(stored.to(self.device, non_blocking=True), self.preprocess)
        mixed, shares = mix_batch(images, labels, self.objective.classes, self.recipe.mix, mix_seed(seed, MIXING))
        return lay_images(mixed, self.recipe), shares

    def _run(self, images: Tensor, count: int) -> dict[str, Tensor]:
        try:
            with self.precision.computing(), telling_of_compiler():
                outputs = name_outputs(self.forward(images))
        except ValueError as error:  # batch normalization of one value per channel, which evaluation does not mind
            raise InputError(
                f"the network cannot train on {len(images)} of a step's {count} images (batch {self.recipe.batch}, "
                f"accumulate {self.recipe.accumulate}): {error}; try a larger batch"
            ) from error
        return {name: output.float() for name, output in outputs.items()}

    def _scale(self, loss: Tensor) -> Tensor:
        return loss if self.state.scaler is None else self.state.scaler.scale(loss)

    def _finish_gradient(self) -> float:
        """Unscale and clip the gradient, and give its norm before that."""
        scaler = self.state.scaler
        if scaler is not None:
            scaler.unscale_(self.state.optimizer)
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        norm = self._measure(gradients)
        value = float(norm.item())
        if not math.isfinite(value) and (scaler is None or scaler.get_scale() < LEAST_SCALE):
            raise NonfiniteStepError(self._describe_gradient(value))
        if self.recipe.clip is not None:
            clip_grads_with_norm_(self.weights, self.recipe.clip, norm)
        return value

    def _describe_gradient(self, norm: float) -> str:
        named = [(name, weight.grad) for name, weight in self.state.module.named_parameters()]
        gather = self.state.storage.gather
        spoiled = [name for name, grad in named if grad is not None and not bool(torch.isfinite(gather(grad)).all())]
        where = f": the gradient of '{spoiled[-1]}' is the first that is not finite" if spoiled else ""
        return f"the loss is finite, and the norm of its gradient {norm}{where}"

    def _move(self, rate: float) -> None:
        state = self.state
        set_learning_rate(state.optimizer, rate)
        if state.scaler is None:
            state.optimizer.step()
        else:
            state.scaler.step(state.optimizer)  # which passes over a gradient that is not finite
            state.scaler.update()
        if state.average is not None:
            state.average.update()
        state.step += 1

    @torch.no_grad()
    def _compare(self, before: list[Tensor]) -> float:
        moved = self._measure([weight - earlier for weight, earlier in zip(self.weights, before, strict=True)])
        return float(moved.item()) / max(float(self._measure(before).item()), 1e-30)

    def _measure(self, tensors: list[Tensor]) -> Tensor:
        """Measure the norm of tensors that lie as weights do."""
        return self.state.storage.gather(get_total_norm(tensors))
