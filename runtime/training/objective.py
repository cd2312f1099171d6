"""The objective of a training: its losses and its scores."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from archspec.arrays import Array
from archspec.extras import extra
from runtime.data.dataset import Dataset, Split
from runtime.tasks.grid import OutputGrid
from runtime.tasks.registry import find_task
from runtime.tasks.task import ScoreCounts, Task
from runtime.training.module_outputs import last_of

with extra("train"):
    import torch
    from torch import Tensor


class Objective:
    """The sum of the outputs' losses on a data set's training images, which training makes smaller.

    `grids` say by name where each output lies on the images; the targets lie on `device`.
    """

    def __init__(
        self, data: Dataset, grids: Mapping[str, OutputGrid], device: torch.device, label_smoothing: float
    ) -> None:
        self.task, self.labels, self.grids = find_task(data.task), data.training.labels, grids
        self.loss = self.task.make_training_loss(data.training.labels, len(data.classes), label_smoothing)
        self.targets, self.device = _make_targets(self.task, data.training, grids, device), device

    def compute_loss(self, outputs: Mapping[str, Tensor], chosen: Tensor) -> Tensor:
        """Compute the loss of the images with the indices `chosen` (N,), from the outputs for them, each (N, ...)."""
        picked = chosen.to(self.device)
        losses = [self.loss(output, self.targets[name][picked]) for name, output in outputs.items()]
        return reduce(torch.add, losses)

    def count(self, outputs: Mapping[str, Tensor], chosen: Tensor) -> ScoreCounts:
        """Count what is right and wrong in the last output, as the task does, for the images with the indices
        `chosen`."""
        grid = last_of(self.grids)
        answers = self.task.decide(last_of(outputs).detach().float().cpu().numpy(), grid)
        return self.task.count(answers, self.labels[chosen.numpy()], grid)


def measure(
    outputs: Mapping[str, Array], split: Split, task: Task, grids: Mapping[str, OutputGrid]
) -> tuple[float, dict[str, float]]:
    """Measure the sum of the outputs' plain losses, without smoothing and balance, and the scores of the last one."""
    targets = _make_targets(task, split, grids, torch.device("cpu"))
    losses = [task.compute_loss(torch.from_numpy(outputs[name]), targets[name]) for name in grids]
    grid = last_of(grids)
    counts = task.count(task.decide(last_of(outputs), grid), split.labels, grid)
    return float(sum(loss.item() for loss in losses)), task.score(counts)


def _make_targets(task: Task, split: Split, grids: Mapping[str, OutputGrid], device: torch.device) -> dict[str, Tensor]:
    """Make what each output is compared with, by its name; outputs that lie alike share theirs."""
    made = {grid: torch.from_numpy(task.make_targets(split.labels, grid)).to(device) for grid in set(grids.values())}
    return {name: made[grid] for name, grid in grids.items()}
