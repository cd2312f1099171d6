"""The losses that a recipe chooses for a task, and how those of several outputs add up."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from archspec.arrays import Array
from archspec.errors import InputError, suggest
from archspec.extras import extra
from runtime.recipes.objective import LossSection
from runtime.tasks.grid import OutputGrid
from runtime.tasks.task import Task
from runtime.training.losses import LOSSES, LossSettings, LossTerm, OwnTerm, balance_classes

with extra("train"):
    import torch
    from torch import Tensor


def is_balanced(task: Task, settings: LossSection) -> bool:
    """Tell whether the loss weighs classes by how often they are: what a recipe says, and else what the task's usual
    loss does."""
    if settings.class_weights is None:
        return task.balances and (settings.name or task.losses[0]) == "cross_entropy"
    return settings.class_weights == "balanced"


def make_terms(task: Task, settings: LossSection, classes: int, counts: Array | None) -> tuple[LossTerm, ...]:
    """Make the terms whose sum is the loss of an output.

    Raises InputError where the task cannot learn by it, or it has no use for what the settings say.
    """
    name = settings.name or (task.losses[0] if task.losses else None)
    if name is not None and name not in task.losses:
        raise InputError(f"loss.name: {task.name} do not learn by {name}; {_list_losses(task)}")
    kinds = (OwnTerm,) if name is None else LOSSES[name]
    _check_use(task, settings, name, kinds)
    given = LossSettings(
        classes=classes,
        weights=_find_weights(task, settings, classes, counts),
        smoothing=settings.label_smoothing,
        gamma=settings.gamma,
        ignored=task.ignored,
    )
    return tuple(OwnTerm(given, task.compute_loss) if kind is OwnTerm else kind(given) for kind in kinds)


def weigh_outputs(grids: Mapping[str, OutputGrid], settings: LossSection) -> dict[str, float]:
    """Find the weight of each output's loss, by its name.

    Those of the finest resolution weigh 1 each, those of each coarser one half as much as of the one before; outputs
    without places are of one resolution. nnU-Net halves so too; it also divides by the sum and leaves out the coarsest.
    Here an output weighs the same with and without others beside it, so that a learning rate stays right.

    Raises InputError for a name that is no output's, and where nothing weighs anything.
    """
    chosen = settings.outputs
    if chosen == "equal":
        return dict.fromkeys(grids, 1.0)
    if chosen is None or chosen == "halving":
        sizes = {name: prod(grid.strides) for name, grid in grids.items()}
        ranks = sorted(set(sizes.values()))
        return {name: 0.5 ** ranks.index(size) for name, size in sizes.items()}
    for name in chosen:
        if name not in grids:
            raise InputError(
                f"loss.outputs: no output '{name}'{suggest(name, grids)} (the network has {', '.join(grids)})"
            )
    weights = {name: chosen.get(name, 1.0) for name in grids}
    if not any(weights.values()):
        raise InputError("loss.outputs: every output has the weight 0, so nothing would be learned")
    return weights


def _check_use(task: Task, settings: LossSection, name: str | None, kinds: tuple[type[LossTerm], ...]) -> None:
    """Raises InputError for what is said and would be without effect."""
    loss = "its own loss" if name is None else name
    if settings.label_smoothing and not any(kind.smooths for kind in kinds):
        raise InputError(f"loss.label_smoothing: {loss} of {task.name} has no labels to smooth; leave it out")
    if settings.class_weights not in (None, "none") and not any(kind.weighs for kind in kinds):
        raise InputError(f"loss.class_weights: {loss} of {task.name} has no classes to weigh; leave it out")


def _list_losses(task: Task) -> str:
    return f"take one of {', '.join(task.losses)}" if task.losses else "they have a loss of their own: leave it out"


def _find_weights(task: Task, settings: LossSection, classes: int, counts: Array | None) -> Tensor | None:
    chosen = settings.class_weights
    if is_balanced(task, settings):
        assert counts is not None, "balanced classes need the training part's counts"
        return torch.from_numpy(balance_classes(counts).astype(np.float32))
    if not isinstance(chosen, list):
        return None
    if len(chosen) != classes:
        raise InputError(
            f"loss.class_weights: {len(chosen)} weights for {classes} classes; give one for each, in order"
        )
    return torch.tensor(chosen, dtype=torch.float32)
