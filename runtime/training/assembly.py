"""The parts of a training put together, and what a recipe leaves open filled in before."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from archspec.callbacks import OnStep, ignore_step
from archspec.errors import InputError
from archspec.extras import extra
from archspec.log import warn
from compiler.graph import Graph
from compiler.torch_target.modes import device_of, limited_to
from runtime.data.batches import Shard, mix_seed
from runtime.data.cache import open_samples
from runtime.data.dataset import Dataset, check_classes
from runtime.data.fetching import Batch
from runtime.data.loader import Loader, Workers, make_loader
from runtime.data.sized import SizedSamples
from runtime.recipes.recipe import Recipe
from runtime.training.batch_search import find_batch, fits_gpu, fits_memory, tell_bound
from runtime.training.clock import StepClock
from runtime.training.compiling import compile_module
from runtime.training.drop_ramp import DropRamp
from runtime.training.ema import MovingAverage
from runtime.training.freezing import freeze
from runtime.training.loop import TrainingParts
from runtime.training.objective import Objective
from runtime.training.optimizer import build_optimizer
from runtime.training.precision import lay_out
from runtime.training.ranks import Ranks
from runtime.training.roles import WeightRole
from runtime.training.schedule import check_schedule
from runtime.training.state import TrainState
from runtime.training.step import StepTaker, StepTask
from runtime.training.timing import AUTO, TIMED, UNTIMED, choose_by_timing
from runtime.training.weight_storage import WeightStorage

with extra("train"):
    import torch
    from torch import nn


@dataclass(frozen=True, eq=False)
class TrainingGround:
    """What trainings of one network on one data set have in common: the data, what is to be made smaller, the roles of
    the weights where they are known, and which process this is. `on_read` hears how
    many of how many images are read where they are kept for all epochs."""

    data: Dataset
    objective: Objective
    roles: Mapping[str, WeightRole] | None = None
    ranks: Ranks = field(default_factory=Ranks)
    on_read: OnStep = ignore_step
    _opened: list[SizedSamples] = field(default_factory=list)

    def assemble(self, module: nn.Module, recipe: Recipe, ramp: DropRamp) -> TrainingParts:
        """Put the parts of a training of `module` together, by a recipe that leaves nothing open; the module is laid
        out in memory, and its weights are frozen, as the recipe says.

        Raises InputError where the recipe asks what the module, the data or this machine has not.
        """
        self.check(recipe)
        lay_out(module, recipe)
        freezing = freeze(module, recipe.freeze)
        storage = self._share_out(module) if recipe.fsdp else WeightStorage()
        optimizer = build_optimizer(module, recipe, self.roles)
        module.train()
        freezing.hold()
        average = None if recipe.ema is None else MovingAverage(module, recipe.ema)
        scaler = torch.amp.GradScaler(device_of(module).type) if recipe.precision == "fp16" else None
        state = TrainState(module, optimizer, average, scaler, storage=storage)
        forward = storage.wrap(compile_module(module) if recipe.compile else module, self.ranks)
        taker = StepTaker(state, forward, self.objective, StepTask(recipe, self.data.preprocess), self.ranks)
        open_loader, name = self.make_opener(recipe, device_of(module)), self.open_samples(recipe).name
        return TrainingParts(state, self.data, recipe, taker, open_loader, name, ramp)

    def _share_out(self, module: nn.Module) -> WeightStorage:
        """Share the module's weights out among the processes."""
        from runtime.training.sharding import ShardedWeights  # torch loads much for it

        return ShardedWeights(module, self.roles or {}, self.ranks)

    def check(self, recipe: Recipe) -> None:
        """Raises InputError where a recipe is not for what the data ask or for one process, the data have too few
        classes, or its schedule is not for so few steps."""
        if recipe.fsdp and self.ranks.size == 1:
            raise InputError(
                "fsdp: true shares the weights out among processes, and there is one: start more (--processes 2), or "
                "leave it out (--set fsdp=false)"
            )
        if recipe.task not in (None, self.data.task):
            raise InputError(
                f"the recipe is for the task {recipe.task}, and {self.data.name} asks for {self.data.task}"
            )
        recipe.check_task(self.data.task)
        check_classes(self.data.name, self.data.task, self.data.classes)
        if not self.data.preprocess.slides:
            recipe.check_volumes()
        check_schedule(recipe.schedule, StepClock.of(recipe, len(self.data.train)).steps)

    def make_opener(self, recipe: Recipe, device: torch.device) -> Callable[[int], Loader[Batch]]:
        """Make the function that opens the batches of all steps from one on."""
        samples = self.open_samples(recipe)
        shard = Shard(self.ranks.rank, self.ranks.size)
        workers = Workers(recipe.data.workers, pin_memory=device.type == "cuda")

        def open_loader(step: int) -> Loader[Batch]:
            return make_loader(self.data, samples, recipe, training=True, start_step=step, shard=shard, workers=workers)

        return open_loader

    def open_samples(self, recipe: Recipe) -> SizedSamples:
        """Open the training part, once for all trainings."""
        if not self._opened:
            opened = open_samples(
                self.data, self.data.train, recipe.data, on_step=self.on_read, processes=self.ranks.here
            )
            self._opened.append(opened)
        return self._opened[0]

    def settle(self, module: nn.Module, recipe: Recipe, graph: Graph | None = None) -> Recipe:
        """Fill in what a recipe leaves open (`auto`), by trying it on copies of the module, and tell what was chosen.

        A batch is found by the estimate for a `graph` on a CPU, and by trying on a GPU. Raises InputError where it
        cannot be.
        """
        if AUTO not in (recipe.batch, recipe.precision, recipe.memory_format):
            return recipe
        if self.ranks.size > 1:
            raise InputError(
                "what a recipe leaves open (auto) is found by one process: train for a step in one, and take the "
                "recipe.yaml that it leaves"
            )
        with drawing_apart(device_of(module), recipe):
            if recipe.batch == AUTO:
                recipe = self._settle_batch(module, recipe, graph)
                warn(f"batch: auto takes {recipe.batch}: {tell_bound(int(recipe.batch), len(self.data.train))}")
            if AUTO in (recipe.precision, recipe.memory_format):
                recipe, timed = choose_by_timing(recipe, module, self._read_some(recipe, module), self._make_step)
                chosen = f"precision: {recipe.precision}, memory_format: {recipe.memory_format}"
                warn(f"{chosen} by the time of a step ({'; '.join(map(str, timed))})")
        return recipe

    def _settle_batch(self, module: nn.Module, recipe: Recipe, graph: Graph | None) -> Recipe:
        device, samples = device_of(module), len(self.data.train)
        if device.type == "cuda":
            fits = fits_gpu(lambda batch: self._try_batch(module, recipe, batch))
        elif graph is not None:
            fits = fits_memory(graph, recipe)
        else:
            raise InputError("batch: auto needs a spec or a graph, whose memory is estimated; write a number here")
        return recipe.model_copy(update={"batch": find_batch(recipe, samples, fits)})

    def _try_batch(self, module: nn.Module, recipe: Recipe, batch: int) -> None:
        """Take a step on a copy with so many images."""
        precision = "fp32" if recipe.precision == AUTO else recipe.precision
        layout = "contiguous" if recipe.memory_format == AUTO else recipe.memory_format
        known = {"precision": precision, "memory_format": layout, "batch": batch, "accumulate": 1}
        tried = recipe.model_copy(update=known)
        step = self._make_step(copy.deepcopy(module), tried)
        for found in self._read_some(tried, module)[:1]:
            step(found)

    def _read_some(self, recipe: Recipe, module: nn.Module) -> list[Batch]:
        """Read the batches of the first steps."""
        with self.make_opener(recipe, device_of(module))(0) as loader:
            pairs = zip(range(UNTIMED + TIMED), loader, strict=False)
            return [batch for _, batch in pairs]

    def _make_step(self, module: nn.Module, recipe: Recipe) -> Callable[[Batch], object]:
        """Make a function that takes a step which changes nothing but time: its rate is zero."""
        parts = self.assemble(module, recipe.model_copy(update={"compile": False}), DropRamp(module, False))
        seed = partial(mix_seed, recipe.seed)
        return lambda batch: parts.taker.take(batch, 0.0, seed, measured=False)


@contextmanager
def drawing_apart(device: torch.device, recipe: Recipe) -> Iterator[None]:
    """Have what is drawn at random leave the caller's generators alone, on as many threads as a recipe says."""
    own_generators = [device] if device.type == "cuda" else []
    with limited_to(recipe.threads), torch.random.fork_rng(devices=own_generators):
        yield
