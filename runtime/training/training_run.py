"""A spec or a graph, a data set and a recipe → a trained network, and a run's folder where one is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from archspec.bounds import MAX_NODES
from archspec.extras import extra
from archspec.files import as_argument
from archspec.spec.spec import Spec
from archspec.spec.text import to_yaml
from compiler.graph import Graph
from runtime.data.dataset import Dataset
from runtime.data.registry import describe_data
from runtime.recipes.recipe import Recipe
from runtime.tasks.grid import OutputGrid
from runtime.training.callbacks import TrainingCallback
from runtime.training.clock import StepClock
from runtime.training.grids import find_grids, name_strides
from runtime.training.interruption import Interruption
from runtime.training.loop import Attendance, TrainResult
from runtime.training.resume import NEVER, TakenUp, take_up
from runtime.training.roles import find_roles
from runtime.training.run import describe_training
from runtime.training.run_folder import RECIPE, SPEC, check_vacant
from runtime.training.train import train
from runtime.training.writer import RunText, RunWriter

with extra("train"):
    from compiler.torch_target.module import to_torch


@dataclass(frozen=True, eq=False)
class RunFolder:
    """Where a run is left, and what becomes of what is there: an earlier run is replaced (`force`), or gone on with
    (`resume`: auto, or the place of a checkpoint). `command` goes on with it, where it is known."""

    path: Path
    force: bool = False
    resume: str = NEVER
    command: str | None = None

    def check(self) -> None:
        """Raises InputError where the folder holds a run that is neither to be replaced nor gone on with."""
        if self.resume == NEVER:
            check_vacant(self.path, force=self.force)


def train_graph(graph: Graph, data: Dataset, recipe: Recipe, callbacks: Sequence[TrainingCallback] = ()) -> TrainResult:
    """Train a graph in memory."""
    module = to_torch(graph, seed=recipe.seed)
    grids = find_grids(module, data, name_strides(graph))
    return train(module, data, recipe, Attendance(callbacks), grids=grids, roles=find_roles(graph))


def train_run(
    spec: Spec,
    graph: Graph,
    data: Dataset,
    recipe: Recipe,
    folder: RunFolder,
    callbacks: Sequence[TrainingCallback] = (),
) -> TrainResult:
    """Train a spec that is fitted to the data, with its graph, and leave a run in a folder."""
    folder.check()
    module = to_torch(graph, seed=recipe.seed)
    grids = find_grids(module, data, name_strides(graph))
    text = _describe_run(spec, graph, data, recipe, grids)
    taken_up = None if folder.resume == NEVER else take_up(folder.path, folder.resume, text.settings)
    interruption = Interruption()
    with _open_writer(folder, replace(text, again=folder.command), taken_up) as writer, interruption:
        around = Attendance(callbacks, writer, interruption=interruption)
        result = train(module, data, recipe, around, grids=grids, roles=find_roles(graph), taken_up=taken_up)
    interruption.end()  # of a signal that came when all was done but the last lines
    return result


def write_command(folder: Path, data: str, max_nodes: int = MAX_NODES) -> str:
    """Write the command that goes on with a run."""
    words = ["archspec", "train", as_argument(folder / SPEC), "--data", as_argument(data)]
    words += ["--recipe", as_argument(folder / RECIPE), "--resume", "auto", "-o", as_argument(folder)]
    words += ["--max-nodes", str(max_nodes)] if max_nodes > MAX_NODES else []
    return " ".join(words)


def _open_writer(folder: RunFolder, text: RunText, taken_up: TakenUp | None) -> RunWriter:
    if taken_up is None:
        return RunWriter(folder.path, text, force=folder.force)
    own = folder.path.resolve() == taken_up.folder.resolve()
    manifest = taken_up.manifest if own else None
    return RunWriter(folder.path, text, force=folder.force, manifest=manifest, earlier=taken_up.earlier)


def _describe_run(spec: Spec, graph: Graph, data: Dataset, recipe: Recipe, grids: Mapping[str, OutputGrid]) -> RunText:
    clock = StepClock.of(recipe, len(data.train))
    counts = {"train": len(data.train), "validation": len(data.validation or ()), "test": len(data.test)}
    return RunText(
        spec=to_yaml(spec.to_data()),
        recipe=to_yaml(recipe.to_dict()),
        facts=describe_training(graph, data, recipe, grids),
        settings={
            "network": graph.digest(),
            "data": {**describe_data(data), **counts},
            "recipe": recipe.to_dict(),
            "processes": 1,
        },
        epochs=clock.epochs,
        steps=clock.steps,
        keep=recipe.keep_checkpoints,
    )
