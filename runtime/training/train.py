"""A training from its beginning, or from a checkpoint, to its end."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from archspec.callbacks import OnStep, ignore_step
from archspec.extras import extra
from archspec.files import as_argument
from archspec.log import warn
from compiler.torch_target.modes import device_of
from runtime.data.batches import mix_seed
from runtime.data.dataset import Dataset
from runtime.recipes.optimization import Cosine
from runtime.recipes.recipe import Recipe
from runtime.tasks.grid import OutputGrid
from runtime.training.assembly import TrainingGround, drawing_apart
from runtime.training.batch_statistics import sharing_statistics
from runtime.training.drop_ramp import DropRamp
from runtime.training.grids import find_grids
from runtime.training.idle import find_idle
from runtime.training.loop import Attendance, TrainingLoop, TrainResult
from runtime.training.objective import Objective
from runtime.training.rate_search import STEPS, RangeTest, RangeTestMeter, rate_of
from runtime.training.resume import TakenUp
from runtime.training.roles import WeightRole
from runtime.training.run_folder import WEIGHTS
from runtime.training.sample_sheet import save_sample_sheet
from runtime.training.step import NonfiniteStepError

with extra("train"):
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
    grids = grids or find_grids(module, data)
    ground = TrainingGround(data, Objective.of(data, grids, recipe.loss), roles, around.ranks)
    return run_training(ground, module, ground.settle(module, recipe), around, taken_up)


def run_training(
    ground: TrainingGround, module: nn.Module, recipe: Recipe, around: Attendance, taken_up: TakenUp | None = None
) -> TrainResult:
    """Train `module` in place by a recipe that leaves nothing open. Raises InputError as `train` does."""
    synchronized = sharing_statistics(module, around.ranks, wanted=recipe.sync_batch_norm)
    with drawing_apart(device_of(module), recipe), DropRamp(module, recipe.ramp_drop) as ramp, synchronized:
        loop = TrainingLoop(ground.assemble(module, recipe, ramp), around)
        if taken_up is not None:
            loop.restore(taken_up.snapshot, taken_up.chosen)
        samples = ground.open_samples(recipe)
        if taken_up is not None and loop.is_over:
            _tell_finished(loop, taken_up)
        elif around.ranks.is_main:
            for line in find_idle(loop.parts, around, samples):
                warn(f"without effect: {line}")
        if taken_up is None and around.keeper is not None:
            around.keeper.add_sheet(partial(save_sample_sheet, data=ground.data, samples=samples, recipe=recipe))
        return loop.run()


def _tell_finished(loop: TrainingLoop, taken_up: TakenUp) -> None:
    """Have the main process say that a training which was taken up has no steps left, and how to go on longer."""
    if not loop.around.ranks.is_main:
        return
    step, steps = loop.state.step, loop.clock.steps
    early = "" if step == steps else ", where early stopping ended it"
    warn(
        f"{taken_up.folder} is finished, at step {step} of {steps}{early}: nothing is trained, and its weights are "
        f"measured once more; to train longer, which is another recipe, begin from them: "
        f"--init {as_argument(taken_up.folder / WEIGHTS)} -o another folder"
    )


def find_rate(ground: TrainingGround, module: nn.Module, recipe: Recipe, on_step: OnStep = ignore_step) -> RangeTest:
    """Find a learning rate for `module` by a range test, on a copy of it; the recipe leaves nothing open, and `on_step`
    hears of the steps. Raises InputError as `train` does, and where no rate can be read off the curve."""
    module, meter = copy.deepcopy(module), RangeTestMeter()
    short = {"steps": STEPS, "epochs": None, "ema": None, "schedule": Cosine(warmup=0)}
    recipe = recipe.model_copy(update=short)
    with drawing_apart(device_of(module), recipe), DropRamp(module, recipe.ramp_drop) as ramp:
        parts = ground.assemble(module, recipe, ramp)
        ramp.move(0.0)
        with parts.open_loader(0) as loader, suppress(NonfiniteStepError):
            for step, batch in enumerate(loader):
                figures = parts.taker.take(batch, rate_of(step), partial(mix_seed, recipe.seed, step), measured=False)
                on_step(step + 1, STEPS)
                if not meter.add(rate_of(step), figures.loss):
                    break
    return meter.finish()
