"""A run as one object: the network that training left in a folder, and the images that it was trained and tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from archspec.arrays import Array
from archspec.bounds import MAX_NODES
from archspec.errors import InputError, ModelError
from archspec.extras import extra
from archspec.ops import Op
from archspec.spec.load import load
from archspec.spec.spec import Spec
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph
from compiler.onnx_file.metadata import GRAPH, SETTINGS, STRIDE
from runtime.data.dataset import Dataset, Split
from runtime.data.registry import describe_data
from runtime.data.reopening import load_data_of
from runtime.recipes.problems import tell_problems
from runtime.recipes.recipe import Recipe
from runtime.tasks.grid import OutputGrid
from runtime.tasks.registry import find_task
from runtime.tasks.task import Task
from runtime.training.grids import find_grids, find_stride, name_strides
from runtime.training.mirror_mean import Mirror, MirrorMean
from runtime.training.module_outputs import evaluate_module
from runtime.training.objective import measure
from runtime.training.run_folder import SPEC, WEIGHTS, check_files, check_one_run
from runtime.weights.safetensors_file import load_weights

with extra("train"):
    from torch import nn

    from compiler.torch_target.module import build_module

MIRRORS = "test_time_augmentation"
"""The key of a recipe that says by which mirror images answers are averaged."""


@dataclass(frozen=True, eq=False)
class Run:
    """A network that `archspec train` left in `folder`. `metadata` is that of the weights."""

    folder: Path
    spec: Spec
    graph: Graph
    weights: Mapping[str, Array]
    metadata: Mapping[str, str]
    data: Dataset

    @classmethod
    def open(
        cls, folder: str | Path, *, max_nodes: int = MAX_NODES, extensions: Mapping[str, type[Op]] | None = None
    ) -> Run:
        """Read a run's folder; its spec may expand to `max_nodes` nodes, and use these `extensions`.

        Raises InputError where the spec or the weights are missing, and ModelError where they do not belong
        together."""
        folder = Path(folder)
        check_files(folder, (SPEC, WEIGHTS))
        spec = load(folder / SPEC, extensions=extensions)
        graph = elaborate(spec, max_nodes=max_nodes)
        weights, metadata = load_weights(folder / WEIGHTS)
        check_one_run(folder / SPEC, graph.digest, folder / WEIGHTS, metadata)
        graph.check_weights({name: array.shape for name, array in weights.items()})
        return cls(folder, spec, graph, weights, metadata, load_data_of(metadata, folder / WEIGHTS))

    @property
    def task(self) -> Task:
        """The task of its data."""
        return find_task(self.data.task)

    @property
    def metric(self) -> str:
        """The name of the task's main score."""
        return self.task.metrics[0]

    @cached_property
    def stride(self) -> int | None:
        """The distance of the last output's positions, in pixels; None where it has none."""
        return STRIDE.read(self.metadata, self.folder / WEIGHTS)

    @cached_property
    def grids(self) -> dict[str, OutputGrid]:
        """The place of each output on the images, by the name that the module gives it."""
        return find_grids(self.build_module(), self.data, name_strides(self.graph))

    @cached_property
    def mirrors(self) -> tuple[Mirror, ...]:
        """The axes along which the recipe has images mirrored too when they are evaluated. Raises ModelError where the
        weights say what no recipe says."""
        found = (SETTINGS.read(self.metadata, self.folder / WEIGHTS) or {}).get(MIRRORS, [])
        try:
            return tuple(Recipe.model_validate({MIRRORS: found}).test_time_augmentation)
        except ValidationError as error:
            problems = "; ".join(tell_problems(error, Recipe))
            raise ModelError(f"{self.folder / WEIGHTS}: '{SETTINGS}' says no axes of mirrors: {problems}") from None

    @property
    def mirror_mean(self) -> MirrorMean:
        """The mean over mirror images of outputs, as the recipe says. Raises InputError where it cannot be
        made exactly."""
        return MirrorMean(self.task, self.grids, self.mirrors, self.data.classes, self.data.flip_idx)

    def build_module(self) -> nn.Module:
        """Build the network in torch with its weights."""
        return build_module(self.graph, self.weights)

    def measure(self, module: nn.Module, split: Split) -> tuple[float, float]:
        """Measure the loss, the task's usual one, and the task's main score, of a module in the network's place, on
        each image alone, without mirror images."""
        loss, scores = measure(evaluate_module(module, split), split, self.task, self.grids)
        return loss, scores[self.metric]

    def draw_training(self, count: int, seed: int = 0) -> Split:
        """Draw `count` of the training images at random, or all of them where there are fewer."""
        chosen = np.random.default_rng(seed).permutation(len(self.data.train))[:count]
        return self.data.prepare(self.data.train, chosen.tolist())


def describe_training(graph: Graph, data: Dataset, recipe: Recipe, grids: Mapping[str, OutputGrid]) -> dict[str, str]:
    """Write down the network, the recipe, the data and the stride of the last output, whose place the last of the
    `grids` is, as the metadata of the weights."""
    stride = find_stride(grids)
    facts = GRAPH.write(graph.digest()) | SETTINGS.write(recipe.to_dict())
    return facts | describe_data(data) | (STRIDE.write(stride) if stride else {})


def check_same_data(runs: Sequence[Run]) -> None:
    """Raises InputError unless the runs were trained on one data set, so that their figures compare."""
    for run in runs[1:]:
        if run.data.name != runs[0].data.name:
            raise InputError(
                f"{run.folder} was trained on {run.data.name}, and {runs[0].folder} on {runs[0].data.name}: "
                "their figures do not compare"
            )
