"""A trained run, taken up again: its network, its weights, and the images that it was trained and tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError
from archspec.extras import extra
from archspec.spec.load import Spec, load
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph
from runtime.data.dataset import Dataset, Split
from runtime.data.registry import load_data_of
from runtime.tasks.grid import Grid
from runtime.tasks.registry import find_task
from runtime.tasks.task import Task
from runtime.training.grids import find_grids, name_strides
from runtime.training.objective import measure
from runtime.training.outputs import evaluate_module
from runtime.training.run_folder import SPEC, WEIGHTS, check_files, check_one_run
from runtime.weights.file import load_weights

with extra("train"):
    from torch import nn

    from compiler.torch_target.module import load_weights as fill
    from compiler.torch_target.module import to_torch


@dataclass(frozen=True, eq=False)
class Run:
    """What `archspec train` left in `folder`. `metadata` is that of the weights."""

    folder: Path
    spec: Spec
    graph: Graph
    weights: Mapping[str, Array]
    metadata: Mapping[str, str]
    data: Dataset

    @property
    def task(self) -> Task:
        return find_task(self.data.task)

    @property
    def metric(self) -> str:
        """The name of the task's main score."""
        return self.task.metrics[0]

    @cached_property
    def grids(self) -> dict[str, Grid]:
        """Where each output lies on the images, by the name that the module gives it."""
        return find_grids(build_module(self.graph, self.weights), self.data, name_strides(self.graph))

    def measure(self, module: nn.Module, split: Split) -> tuple[float, float]:
        """The loss, as training reports it of held-out images, and the task's main score."""
        loss, scores = measure(evaluate_module(module, split), split, self.task, self.grids)
        return loss, scores[self.metric]

    def draw_training(self, count: int, seed: int = 0) -> Split:
        """`count` of the training images at random, or all of them where there are fewer."""
        images, labels = self.data.train.images, self.data.train.labels
        chosen = np.random.default_rng(seed).permutation(len(labels))[:count]
        return Split(images[chosen], labels[chosen])


def read_run(folder: str | Path) -> Run:
    """Read a run's folder. Raises ArchspecError where a part is missing, or the parts do not belong together."""
    folder = Path(folder)
    check_files(folder, (SPEC, WEIGHTS))
    spec = load(folder / SPEC)
    graph = elaborate(spec)
    weights, metadata = load_weights(folder / WEIGHTS)
    check_one_run(folder / SPEC, graph.digest, folder / WEIGHTS, metadata)
    graph.check_weights({name: array.shape for name, array in weights.items()})
    return Run(folder, spec, graph, weights, metadata, load_data_of(metadata, folder / WEIGHTS))


def check_same_data(runs: Sequence[Run]) -> None:
    """Raises ArchspecError unless the runs were trained on one data set, so that their figures compare."""
    for run in runs[1:]:
        if run.data.name != runs[0].data.name:
            raise ArchspecError(
                f"{run.folder} was trained on {run.data.name}, and {runs[0].folder} on {runs[0].data.name}: "
                "their figures do not compare"
            )


def build_module(graph: Graph, weights: Mapping[str, Any]) -> nn.Module:
    """The network in torch with these weights."""
    module = to_torch(graph)
    fill(module, graph, {name: np.asarray(array) for name, array in weights.items()})
    return module
