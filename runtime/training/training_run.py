"""A spec or a graph, a data set and a recipe → a trained network, and a run's folder where one is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from archspec.bounds import MAX_NODES
from archspec.errors import InputError
from archspec.extras import extra
from archspec.files import as_argument
from archspec.log import warn
from archspec.spec.spec import Spec
from archspec.spec.text import to_yaml
from compiler.graph import Graph
from runtime.data.dataset import Dataset
from runtime.data.opening import open_data
from runtime.data.registry import describe_data
from runtime.recipes.recipe import Recipe
from runtime.tasks.grid import OutputGrid
from runtime.training.callbacks import TrainingCallback
from runtime.training.clock import StepClock
from runtime.training.distributed import joining
from runtime.training.fitting import FittingKeywords, fit_network, fit_spec
from runtime.training.grids import find_grids, name_strides
from runtime.training.interruption import Interruption
from runtime.training.loop import Attendance, TrainResult
from runtime.training.ranks import Ranks
from runtime.training.resume import NEVER, TakenUp, take_up
from runtime.training.roles import find_roles
from runtime.training.run import describe_training
from runtime.training.run_folder import RECIPE, SPEC, check_vacant
from runtime.training.train import train
from runtime.training.writer import RunText, RunWriter

with extra("train"):
    from compiler.torch_target.module import to_torch


class TrainKeywords(FittingKeywords, total=False):
    """The arguments that training a network takes beside it, its data and its recipe, as keywords of a function that
    hands them on; None is the default."""

    resume: str | Path | None
    force: bool
    command: str | None


@dataclass(frozen=True, eq=False)
class TrainingChoices:
    """How a spec is fitted to the data (`sizes`, `max_nodes`), and what becomes of a run that is in the folder: it is
    replaced (`force`), or gone on with (`resume`: auto, or the place of a checkpoint). `command` goes on with it."""

    sizes: Mapping[str, int] | None = None
    max_nodes: int = MAX_NODES
    resume: str | Path = NEVER
    force: bool = False
    command: str | None = None


def train_network(
    network: Spec | Graph,
    data: Dataset | str,
    recipe: Recipe,
    folder: str | Path | None,
    choices: TrainingChoices,
    callbacks: Sequence[TrainingCallback],
) -> TrainResult:
    """Train a spec or a graph on a data set or that of a name, as archspec.train says."""
    resume = str(choices.resume)
    if folder is None and (resume != NEVER or choices.force):
        raise InputError("train: `resume` and `force` are about a run's `folder`: give one")
    if folder is not None and isinstance(network, Graph):
        raise InputError("train: a graph has no text to keep in a `folder`: give the spec, or train in memory")
    with joining() as ranks:
        if folder is not None and resume == NEVER and ranks.is_main:
            check_vacant(folder, force=choices.force)
        return _train_together(network, data, recipe, folder, choices, callbacks if ranks.is_main else (), ranks)


def _train_together(
    network: Spec | Graph,
    data: Dataset | str,
    recipe: Recipe,
    folder: str | Path | None,
    choices: TrainingChoices,
    callbacks: Sequence[TrainingCallback],
    ranks: Ranks,
) -> TrainResult:
    """Train in one process of those that there are."""
    if choices.command is None and folder is not None and isinstance(data, str):
        choices = replace(choices, command=write_command(Path(folder), data, choices.max_nodes))
    dataset = open_data(data, recipe.data, recipe.task) if isinstance(data, str) else data
    if isinstance(network, Graph):
        return _train_graph(network, dataset, recipe, Attendance(callbacks, ranks=ranks))
    spec, graph, dataset = _fit(network, dataset, recipe, choices, adapt=isinstance(data, str))
    if folder is None:
        return _train_graph(graph, dataset, recipe, Attendance(callbacks, ranks=ranks))
    module = to_torch(graph, seed=recipe.seed)
    grids = find_grids(module, dataset, name_strides(graph))
    text = _describe_run(spec, graph, dataset, recipe, grids)
    text = replace(text, again=choices.command, settings={**text.settings, "processes": ranks.size})
    resume = str(choices.resume)
    taken_up = None if resume == NEVER else take_up(folder, resume, text.settings)
    ranks.wait()  # until all have read what the first one may change
    interruption = Interruption()
    opened = _open_writer(Path(folder), text, taken_up, force=choices.force) if ranks.is_main else nullcontext()
    with opened as writer, interruption:
        around = Attendance(callbacks, writer, ranks, interruption)
        result = train(module, dataset, recipe, around, grids=grids, roles=find_roles(graph), taken_up=taken_up)
    interruption.end()  # of a signal that came when all was done but the last lines
    return result


def _fit(
    spec: Spec, data: Dataset, recipe: Recipe, choices: TrainingChoices, *, adapt: bool
) -> tuple[Spec, Graph, Dataset]:
    """The spec and its graph for the data, and these; data that a word named are brought to what the network takes, and
    what was chosen is told."""
    fitting: FittingKeywords = {"sizes": choices.sizes, "max_nodes": choices.max_nodes}
    if not adapt:
        return (*fit_spec(spec, data, **fitting), data)
    fitted = fit_network(spec, data, recipe.data, **fitting)
    for line in fitted.said:
        warn(line)
    return fitted.spec, fitted.graph, fitted.data


def _train_graph(graph: Graph, data: Dataset, recipe: Recipe, around: Attendance) -> TrainResult:
    module = to_torch(graph, seed=recipe.seed)
    grids = find_grids(module, data, name_strides(graph))
    return train(module, data, recipe, around, grids=grids, roles=find_roles(graph))


def write_command(folder: Path, data: str, max_nodes: int = MAX_NODES) -> str:
    """Write the command that goes on with a run."""
    words = ["archspec", "train", as_argument(folder / SPEC), "--data", as_argument(data)]
    words += ["--recipe", as_argument(folder / RECIPE), "--resume", "auto", "-o", as_argument(folder)]
    words += ["--max-nodes", str(max_nodes)] if max_nodes > MAX_NODES else []
    return " ".join(words)


def _open_writer(folder: Path, text: RunText, taken_up: TakenUp | None, *, force: bool) -> RunWriter:
    if taken_up is None:
        return RunWriter(folder, text, force=force)
    own = folder.resolve() == taken_up.folder.resolve()
    return RunWriter(folder, text, force=force, manifest=taken_up.manifest if own else None, earlier=taken_up.earlier)


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
        },
        epochs=clock.epochs,
        steps=clock.steps,
        keep=recipe.keep_checkpoints,
    )
