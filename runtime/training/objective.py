"""The objective of a training: its losses and its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from archspec.arrays import Array, Float64Array
from archspec.errors import InputError
from archspec.extras import extra
from runtime.data.dataset import Dataset, Split
from runtime.recipes.objective import LossSection
from runtime.tasks.grid import OutputGrid
from runtime.tasks.registry import find_task
from runtime.tasks.task import ClassScore, ScoreCounts, Task
from runtime.training.loss_choice import is_balanced, make_terms, weigh_outputs
from runtime.training.module_outputs import EVALUATION_BATCH, last_of

with extra("train"):
    import torch
    from torch import Tensor


class LossSums(NamedTuple):
    """The sums of a batch's loss and what each is divided by, both (terms,): those of several batches are added."""

    totals: Tensor
    weights: Tensor


class Objective:
    """What training makes smaller on a batch, the weighed sum of the outputs' losses, and how its answers are counted.

    `grids` say by name where each output lies on the images, `settings` are a recipe's `loss`, `classes` is the number
    of classes, or of joints. `counts` (classes,), how often each class is asked in the training part, is needed where
    the classes are balanced. Targets are a batch's labels, as `Split` has them, or shares of classes (N, classes).

    Raises InputError where the settings do not fit the task, its classes or its outputs.
    """

    def __init__(
        self,
        task: Task,
        grids: Mapping[str, OutputGrid],
        settings: LossSection,
        classes: int,
        counts: Array | None = None,
    ) -> None:
        self.task, self.grids, self.settings, self.classes = task, grids, settings, classes
        self.terms = make_terms(task, settings, classes, counts)
        self.weights = {name: weight for name, weight in weigh_outputs(grids, settings).items() if weight}

    @classmethod
    def of(cls, data: Dataset, grids: Mapping[str, OutputGrid], settings: LossSection) -> Objective:
        """Make the objective of a recipe's `loss` on a data set, whose training targets are read once where classes
        are balanced."""
        task = find_task(data.task)
        counts = data.census.counts if is_balanced(task, settings) else None
        return cls(task, grids, settings, len(data.classes), counts)

    @cached_property
    def plain(self) -> Objective:
        """The same without class weights and label smoothing: the loss that is reported of held-out images."""
        settings = self.settings.model_copy(update={"class_weights": "none", "label_smoothing": 0.0})
        return Objective(self.task, self.grids, settings, self.classes)

    def compute_loss(self, outputs: Mapping[str, Tensor], targets: Tensor, whole: Tensor | None = None) -> Tensor:
        """Compute the loss of a batch, a scalar, from its outputs, each (N, ...), and its targets.

        `whole` is the sum of `weigh` over all batches of the step, where this is one of several (micro-batches, or
        those of other processes): the losses of all of them then add up to that of one batch with all their images.
        """
        sums = self.compute_sums(outputs, targets)
        return self.combine(sums.totals, sums.weights if whole is None else whole)

    def weigh(self, targets: Tensor) -> Tensor:
        """Compute what the sums of a batch are divided by, (terms,), from its targets alone."""
        made = self._make_targets(targets, targets.device)
        return torch.stack([term.weigh(made[name]) for name in self.weights for term in self.terms])

    def compute_sums(self, outputs: Mapping[str, Tensor], targets: Tensor) -> LossSums:
        """Compute the sums of a batch's loss, and what they are divided by."""
        made = self._make_targets(targets, last_of(outputs).device)
        pairs = [(term, outputs[name], made[name]) for name in self.weights for term in self.terms]
        totals = torch.stack([term.total(output, wanted) for term, output, wanted in pairs])
        return LossSums(totals, torch.stack([term.weigh(wanted) for term, _, wanted in pairs]))

    def combine(self, totals: Tensor, weights: Tensor) -> Tensor:
        """Compute the loss, a scalar, from sums: each over its weight, 0 where nothing was asked, times its output's
        weight."""
        factors = [weight for weight in self.weights.values() for _ in self.terms]
        means = totals / weights.to(totals).where(weights > 0, 1)
        return means @ torch.tensor(factors).to(means)

    def count(self, outputs: Mapping[str, Tensor], targets: Tensor) -> ScoreCounts:
        """Count what is right and wrong in the last output, as the task does."""
        output, grid = last_of(outputs).detach(), last_of(self.grids)
        found = output.float() if output.device.type == "cpu" else self.task.condense(output).cpu()
        return self.task.count_output(found.numpy(), targets.cpu().numpy(), grid)

    def _make_targets(self, targets: Tensor, device: torch.device) -> dict[str, Tensor]:
        """Make what each output is compared with, by its name; outputs that lie alike share theirs."""
        labels, made = targets.cpu().numpy(), {}
        for grid in {self.grids[name] for name in self.weights}:
            wanted = self.task.make_targets(labels, grid)
            self._check_classes(wanted)
            made[grid] = torch.from_numpy(wanted).to(device)
        return {name: made[self.grids[name]] for name in self.weights}

    def _check_classes(self, targets: Array) -> None:
        if not self.task.losses or targets.dtype.kind not in "iu":
            return
        asked = targets[self.task.find_asked(targets)]
        if asked.size and not 0 <= asked.min() <= asked.max() < self.classes:
            found = asked.min() if asked.min() < 0 else asked.max()
            raise InputError(
                f"an image has the class {found}, and there are {self.classes} (0 to {self.classes - 1}); "
                "`archspec data check` finds which images these are"
            )


@dataclass(slots=True, eq=False)
class ObjectiveMeter:
    """The plain loss and the scores of any number of batches: the same, however these are divided. `sums` (2, terms)
    and `counts` are plain numbers, which add up over processes too."""

    objective: Objective
    sums: Float64Array = field(default_factory=lambda: np.zeros((2, 1)))
    counts: ScoreCounts = field(default_factory=lambda: np.zeros(()))

    def add(self, outputs: Mapping[str, Tensor], targets: Tensor) -> None:
        """Add a batch: its outputs, each (N, ...), and its targets."""
        with torch.no_grad():
            found = self.objective.plain.compute_sums(outputs, targets)
        self.sums = self.sums + torch.stack(found).cpu().numpy().astype(np.float64)
        self.counts = self.counts + self.objective.count(outputs, targets)

    @property
    def loss(self) -> float:
        """The weighed sum of the outputs' plain losses."""
        totals, weights = torch.from_numpy(self.sums)
        return float(self.objective.plain.combine(totals, weights))

    @property
    def scores(self) -> dict[str, float]:
        """The task's metrics by name, of the last output."""
        return self.objective.task.score(self.counts)

    def score_classes(self, names: Sequence[str]) -> tuple[ClassScore, ...]:
        """The task's metrics of each class, or joint, in the last output."""
        return self.objective.task.score_classes(self.counts, names)


def measure(
    outputs: Mapping[str, Array], split: Split, task: Task, grids: Mapping[str, OutputGrid]
) -> tuple[float, dict[str, float]]:
    """Measure the task's usual loss, plain, and the scores, on a split, from the outputs for all of it."""
    classes = task.count_channels(last_of(outputs).shape[1:])
    meter = ObjectiveMeter(Objective(task, grids, LossSection(class_weights="none"), classes))
    for start in range(0, len(split), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        found = {name: torch.from_numpy(outputs[name][part]) for name in grids}
        meter.add(found, torch.from_numpy(split.labels[part]))
    return meter.loss, meter.scores
