"""A training from its beginning, or from a checkpoint, to its end."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from archspec.errors import InputError
from archspec.extras import extra
from compiler.torch_target.modes import device_of, limited_to
from runtime.data.batches import Shard
from runtime.data.cache import open_samples
from runtime.data.dataset import Dataset
from runtime.data.fetching import Batch
from runtime.data.loader import Loader, make_loader
from runtime.recipes.recipe import Recipe
from runtime.tasks.grid import OutputGrid
from runtime.tasks.registry import find_task
from runtime.training.batch_statistics import sharing_statistics
from runtime.training.clock import StepClock
from runtime.training.drop_ramp import DropRamp
from runtime.training.ema import MovingAverage
from runtime.training.freezing import freeze
from runtime.training.grids import find_grids
from runtime.training.loop import Attendance, TrainingLoop, TrainingParts, TrainResult
from runtime.training.mixing import check_mixing
from runtime.training.objective import Objective
from runtime.training.optimizer import build_optimizer
from runtime.training.precision import lay_out
from runtime.training.resume import TakenUp
from runtime.training.roles import WeightRole
from runtime.training.sample_sheet import save_sample_sheet
from runtime.training.schedule import check_schedule
from runtime.training.state import TrainState
from runtime.training.step import StepTaker, StepTask

with extra("train"):
    import torch
    from torch import nn


def train(
    module: nn.Module,
    data: Dataset,
    recipe: Recipe | None = None,
    around: Attendance | None = None,
    *,
    grids: Mapping[str, OutputGrid] | None = None,
    roles: Mapping[str, WeightRole] | None = None,
    taken_up: TakenUp | None = None,
) -> TrainResult:
    """Train `module`, from images (N, C, H, W) to what the data's task needs, in place and on the device it is on.

    A module with several outputs learns on each of them. `grids` are those of the outputs by name, and `roles` those of
    the weights, where they are known; otherwise they are found.

    Raises InputError where the module or the recipe does not fit the data, or a loss or gradient stops being finite. On
    the CPU, the same module, recipe and number of threads give the same weights, bit for bit, also where the training
    was `taken_up` from a checkpoint.
    """
    recipe, around = recipe or Recipe(), around or Attendance()
    device = device_of(module)
    own_generators = [device] if device.type == "cuda" else []
    with limited_to(recipe.threads), torch.random.fork_rng(devices=own_generators):
        grids = grids or find_grids(module, data)
        synchronized = sharing_statistics(module, around.ranks, wanted=recipe.sync_batch_norm)
        with DropRamp(module, recipe.ramp_drop) as ramp, synchronized:
            parts = _prepare(module, data, recipe, Objective.of(data, grids, recipe.loss), ramp, around, roles)
            loop = TrainingLoop(parts, around)
            if taken_up is not None:
                loop.restore(taken_up.snapshot, taken_up.chosen)
            elif around.keeper is not None:
                samples = parts.open_loader(0).fetcher.samples
                around.keeper.add_sheet(partial(save_sample_sheet, data=data, samples=samples, recipe=recipe))
            return loop.run()


def _prepare(
    module: nn.Module,
    data: Dataset,
    recipe: Recipe,
    objective: Objective,
    ramp: DropRamp,
    around: Attendance,
    roles: Mapping[str, WeightRole] | None,
) -> TrainingParts:
    _check_task(recipe, data)
    check_schedule(recipe.schedule, StepClock.of(recipe, len(data.train)).steps)
    lay_out(module, recipe)
    freezing = freeze(module, recipe.freeze)
    optimizer = build_optimizer(module, recipe, roles)
    module.train()
    freezing.hold()
    average = None if recipe.ema is None else MovingAverage(module, recipe.ema)
    scaler = torch.amp.GradScaler(device_of(module).type) if recipe.precision == "fp16" else None
    state = TrainState(module, optimizer, average, scaler)
    taker = StepTaker(state, around.ranks.wrap(module), objective, StepTask(recipe, data.preprocess), around.ranks)
    samples, shard = open_samples(data, data.train, recipe.data), Shard(around.ranks.rank, around.ranks.size)

    def open_loader(step: int) -> Loader[Batch]:
        return make_loader(data, samples, recipe, training=True, start_step=step, shard=shard)

    return TrainingParts(state, data, recipe, taker, open_loader, ramp)


def _check_task(recipe: Recipe, data: Dataset) -> None:
    """Raises InputError where a recipe is not for what the data ask."""
    if recipe.task not in (None, data.task):
        raise InputError(f"the recipe is for the task {recipe.task}, and {data.name} asks for {data.task}")
    recipe.check_task(data.task)
    check_mixing(recipe.mix, find_task(data.task))
