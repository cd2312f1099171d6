"""The largest batch that fits the memory."""

from __future__ import annotations

from collections.abc import Callable

from archspec.errors import InputError
from archspec.extras import extra
from archspec.wording import shorten_bytes
from compiler.analysis.memory.memory import largest_batch
from compiler.graph import Graph
from runtime.recipes.recipe import Recipe
from runtime.session.machine import read_free_memory

with extra("train"):
    import torch

FREE = 0.5
"""The part of what is available that training may take: the estimate leaves out what convolutions work with, and the
images that wait."""

MAX_FOUND_BATCH = 1024
"""The largest number of images that is found: of larger batches the rate would have to be another one."""

FEWEST_STEPS = 8
"""The number of steps that an epoch has at least where a batch is found."""


def find_batch(recipe: Recipe, samples: int, fits: Callable[[int], bool]) -> int:
    """Find the largest power of two of images, times `accumulate`, of which a part fits: at most MAX_FOUND_BATCH, and
    such that an epoch has FEWEST_STEPS. Raises InputError where not even one image fits."""
    most = max(1, min(MAX_FOUND_BATCH, samples // FEWEST_STEPS) // recipe.accumulate)
    part = 1
    if not fits(part):
        raise InputError("batch: auto finds none, since not even one image fits the memory: take a smaller network")
    while 2 * part <= most and fits(2 * part):
        part *= 2
    return part * recipe.accumulate


def tell_bound(batch: int, samples: int) -> str:
    """Tell what keeps a batch that was found from being twice as large."""
    if 2 * batch > MAX_FOUND_BATCH:
        return f"more than {MAX_FOUND_BATCH:,} are not tried"
    if 2 * batch > samples // FEWEST_STEPS:
        return f"an epoch of {samples:,} images is to have {FEWEST_STEPS} steps"
    return "twice as many do not fit the memory"


def fits_memory(graph: Graph, recipe: Recipe) -> Callable[[int], bool]:
    """Tell of how many images training fits the memory that this machine has left, by the estimate of `analyze`. Raises
    InputError where the system does not say what is left."""
    available = read_free_memory()
    if available is None:
        raise InputError("batch: auto cannot be found, since this system does not say how much memory is left")
    words = {"sgd": "momentum" if getattr(recipe.optimizer, "momentum", 0) else "sgd"}
    optimizer = words.get(recipe.optimizer.name, "adam")
    precision = recipe.precision if recipe.precision in ("bf16", "fp16") else "fp32"
    most = largest_batch(graph, int(FREE * available), precision=precision, optimizer=optimizer)
    if most == 0:
        raise InputError(
            f"batch: auto finds none: training {graph.name} with one image takes more than half of the "
            f"{shorten_bytes(available)} that are left; take a smaller network"
        )
    return lambda batch: batch <= most


def fits_gpu(try_step: Callable[[int], object]) -> Callable[[int], bool]:
    """Tell of how many images a step fits a GPU, by taking one."""

    def fits(batch: int) -> bool:
        try:
            try_step(batch)
        except torch.cuda.OutOfMemoryError:
            return False
        finally:
            torch.cuda.empty_cache()
        return True

    return fits
