"""What a recipe says and this training has no use for. A recipe is for many networks, data and machines, so that is
told and no mistake; what can be no training's is refused where recipes are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runtime.data.cache import IndexedSamples
from runtime.data.sized import SizedSamples
from runtime.recipes.recipe import Recipe
from runtime.training.clock import StepClock
from runtime.training.loop import Attendance, TrainingParts

DEFAULT = Recipe()


def find_idle(parts: TrainingParts, around: Attendance, samples: SizedSamples) -> Iterator[str]:
    """Find the keys of the recipe by which nothing becomes different, a line with the reason for each; `samples` are
    the training images as they are read."""
    recipe, outputs = parts.recipe, parts.taker.objective.grids
    if recipe.loss.outputs is not None and len(outputs) == 1 and not _weighs(recipe.loss.outputs):
        yield "loss.outputs: the network has one output, whose loss is the whole"
    if recipe.sync_batch_norm and around.ranks.size == 1:
        yield "sync_batch_norm: one process has the statistics of all images (--processes starts several)"
    if recipe.data.cache == "disk" and not isinstance(samples, IndexedSamples):
        yield f"data.cache: disk: the images of {parts.data.name} are in memory, or read anew each time"
    if around.keeper is None:
        for name in ("checkpoint_every", "keep_checkpoints"):
            if getattr(recipe, name) != getattr(DEFAULT, name):
                yield f"{name}: nothing is saved without a `folder`"
    yield from _find_idle_stopping(recipe, StepClock.of(recipe, len(parts.data.train)))
    yield from _find_idle_rates(parts)


def _weighs(outputs: object) -> bool:
    """Tell whether weights of outputs change the loss where there is one output."""
    return isinstance(outputs, Mapping) and any(weight != 1 for weight in outputs.values())


def _find_idle_stopping(recipe: Recipe, clock: StepClock) -> Iterator[str]:
    evaluations = -(-clock.steps // clock.evaluate_every)
    if recipe.early_stopping is not None and recipe.early_stopping.patience >= evaluations - 1:
        patience = recipe.early_stopping.patience
        yield f"early_stopping.patience: {patience}: there are {evaluations} evaluations, so training ends before"


def _find_idle_rates(parts: TrainingParts) -> Iterator[str]:
    """Find rates of the optimizer whose weights are frozen, or are not there."""
    wanted, groups = parts.recipe.optimizer, parts.state.optimizer.param_groups
    scales = {group["lr_scale"] for group in groups}
    if wanted.head_lr is not None and wanted.head_lr / wanted.lr not in scales:
        yield "optimizer.head_lr: no layer that gives the outputs is trained"
    if wanted.layer_decay != 1 and len(scales) == 1:
        yield "optimizer.layer_decay: one layer is trained, and there is none before it"
    if wanted.decay_all and not wanted.weight_decay:
        yield "optimizer.decay_all: optimizer.weight_decay is 0"
