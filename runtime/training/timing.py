"""The choice of precision and memory format by timing the first steps, on copies."""

from __future__ import annotations

import copy
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from archspec.extras import extra
from runtime.data.fetching import Batch
from runtime.recipes.recipe import Recipe
from runtime.session.machine import read_instructions

with extra("train"):
    import torch
    from torch import nn

UNTIMED, TIMED = 1, 3
"""The numbers of steps of each choice that are taken first, and that are timed then."""

WORTH = 0.95
"""The part of the plain choice's time below which another one is taken."""

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class TimedChoice:
    """A precision and a memory format, with the seconds of a step, the median of some."""

    precision: str
    memory_format: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.precision}, {self.memory_format}: {1000 * self.seconds:.0f} ms"


def list_choices(recipe: Recipe, module: nn.Module) -> list[tuple[str, str]]:
    """List the pairs that a recipe leaves open, the plain one first. Channels last are tried where there are kernels
    over places, and on CPUs with AVX-512 alone: on others torch 2.13 was seen to write beyond its memory
    (runtime/data/batches.py)."""
    precisions = ["fp32", "bf16"] if recipe.precision == AUTO else [recipe.precision]
    formats: list[str] = [recipe.memory_format]
    if recipe.memory_format == AUTO:
        has_kernels = any(weight.ndim > 3 for weight in module.parameters())
        on_gpu = any(weight.is_cuda for weight in module.parameters())
        tries = has_kernels and (on_gpu or "avx512" in read_instructions())
        formats = ["contiguous", *(["channels_last"] if tries else [])]
    return list(itertools.product(precisions, formats))


def choose_by_timing(
    recipe: Recipe,
    module: nn.Module,
    batches: Sequence[Batch],
    make_step: Callable[[nn.Module, Recipe], Callable[[Batch], object]],
) -> tuple[Recipe, list[TimedChoice]]:
    """Fill in what a recipe leaves to timing, with what was timed. `make_step` gives a function that takes a step of a
    copy of the module. The plain choice stays unless another one is faster by a twentieth."""
    timed = []
    for precision, memory_format in list_choices(recipe, module):
        tried = recipe.model_copy(update={"precision": precision, "memory_format": memory_format})
        step = make_step(copy.deepcopy(module), tried)
        seconds = [_time(step, batches[number % len(batches)]) for number in range(UNTIMED + TIMED)]
        timed.append(TimedChoice(precision, memory_format, statistics.median(seconds[UNTIMED:])))
    best = min(timed, key=lambda choice: choice.seconds)
    chosen = best if best.seconds < WORTH * timed[0].seconds else timed[0]
    update = {"precision": chosen.precision, "memory_format": chosen.memory_format}
    return recipe.model_copy(update=update), timed


def _time(step: Callable[[Batch], object], batch: Batch) -> float:
    start = time.perf_counter()
    step(batch)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start
