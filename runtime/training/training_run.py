"""A spec or a graph, a data set and a recipe → a trained network, and a run's folder where one is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.bounds import MAX_NODES
from archspec.callbacks import OnStep, ignore_step
from archspec.errors import InputError
from archspec.extras import extra
from archspec.files import as_argument
from archspec.log import warn
from archspec.spec.spec import Spec
from archspec.spec.text import to_yaml
from compiler.graph import Graph
from runtime.data.dataset import Dataset
from runtime.data.opening import open_data
from runtime.recipes.recipe import Recipe
from runtime.tasks.grid import OutputGrid
from runtime.training.assembly import TrainingGround
from runtime.training.callbacks import TrainingCallback
from runtime.training.clock import StepClock
from runtime.training.device import find_device
from runtime.training.distributed import ProcessRanks, joining
from runtime.training.fitting import FittingKeywords, fit_network, fit_spec
from runtime.training.grids import find_grids, name_strides
from runtime.training.initial_weights import begin_from
from runtime.training.interruption import Interruption
from runtime.training.loop import Attendance, TrainResult
from runtime.training.objective import Objective
from runtime.training.ranks import Ranks
from runtime.training.rate_search import RangeTest
from runtime.training.reshaping import RESHAPED, Reshaped, Reshaping, ReshapingRun
from runtime.training.resume import NEVER, ORIGIN, TakenUp, fill_in, identify_data, read_settings, take_up
from runtime.training.roles import find_roles
from runtime.training.run import describe_training
from runtime.training.run_folder import RECIPE, SPEC, check_vacant
from runtime.training.train import find_rate, run_training
from runtime.training.writer import RunText, RunWriter

if TYPE_CHECKING:
    from compiler.onnx_target.int8.scheme import Int8Recipe

with extra("train"):
    from torch import nn

    from compiler.torch_target.module import to_torch


class TrainKeywords(FittingKeywords, total=False):
    """The arguments that training a network takes beside it, its data and its recipe, as keywords of a function that
    hands them on; None is the default."""

    resume: str | Path | None
    force: bool
    init: str | Path | None
    reset: Sequence[str] | None
    device: str | None
    words: Sequence[str] | None
    on_read: OnStep | None
    quantize: Int8Recipe | None
    reduce_range: bool


@dataclass(frozen=True, eq=False)
class TrainingChoices:
    """How a spec is fitted to the data (`sizes`, `max_nodes`), and what becomes of a run that is in the folder: it
    is replaced (`force`), or gone on with (`resume`: auto, or the place of a checkpoint). Training begins from the
    weights of a file (`init`), but for those that are drawn anew (`reset`), on a `device`. `reshaping` makes the
    network another one first. Commands on the run need `words` beside its files. `on_read` hears how many of how
    many images are read before the first step."""

    sizes: Mapping[str, int] | None = None
    max_nodes: int = MAX_NODES
    resume: str | Path = NEVER
    force: bool = False
    init: str | Path | None = None
    reset: Sequence[str] = ()
    device: str | None = None
    reshaping: Reshaping | None = None
    words: Sequence[str] = ()
    on_read: OnStep = ignore_step

    @property
    def all_words(self) -> list[str]:
        """The words that commands on the run need: these, and how far its spec may expand, where that is further than
        it usually may."""
        return [*(["--max-nodes", str(self.max_nodes)] if self.max_nodes > MAX_NODES else []), *self.words]

    def write_command(self, folder: Path, data: str) -> str:
        """Write the command that goes on with a run."""
        words = ["archspec", "train", as_argument(folder / SPEC), "--data", as_argument(data)]
        words += ["--recipe", as_argument(folder / RECIPE), "--resume", "auto", "-o", as_argument(folder)]
        return " ".join([*words, *self.all_words, *(self.reshaping.words if self.reshaping else ())])

    def check(self, network: Spec | Graph, folder: str | Path | None) -> None:
        """Raises InputError where the choices contradict each other."""
        resumes = str(self.resume) != NEVER
        if folder is None and (resumes or self.force):
            raise InputError("train: `resume` and `force` are about a run's `folder`: give one")
        if folder is not None and isinstance(network, Graph):
            raise InputError("train: a graph has no text to keep in a `folder`: give the spec, or train in memory")
        if resumes and self.init is not None:
            raise InputError("train: `resume` goes on with a checkpoint, and `init` begins anew from weights: give one")
        if self.reset and self.init is None:
            raise InputError("train: `reset` draws weights anew that `init` would give: give that too")
        if self.reshaping is not None and (self.reset or (self.init is None and not resumes)):
            asked = " ".join(self.reshaping.words)
            raise InputError(
                f"train: {asked} begins from trained weights, all of them, since it measures what they compute: give "
                "those of a training in float (--init WEIGHTS), without `reset`"
            )

    def settle(self, recipe: Recipe) -> Recipe:
        """Fill in what the reshaping leaves no choice of. Raises InputError where the recipe asks what cannot be with
        it."""
        return recipe if self.reshaping is None else self.reshaping.settle(recipe)


@dataclass(frozen=True, eq=False)
class PreparedTraining:
    """A network that is ready to be trained: its spec, where it had one, its graph, the data brought to what it takes,
    and the module with the weights that it begins from, on its device. What it is `reshaped` to is trained in its
    place; `asked` says what was asked for of that. `word` is the one that named the data, where one did, and `init` the
    file of the weights, where they are of one."""

    spec: Spec | None
    graph: Graph
    data: Dataset
    module: nn.Module
    on_read: OnStep = ignore_step
    asked: Mapping[str, Any] = field(default_factory=dict)
    reshaped: Reshaped | None = None
    word: str | None = None
    init: str | None = None

    @cached_property
    def grids(self) -> dict[str, OutputGrid]:
        """The place of each output on the images, by its name."""
        return find_grids(self.module, self.data, name_strides(self.graph))

    @classmethod
    def prepare(
        cls, network: Spec | Graph, data: Dataset | str, recipe: Recipe, choices: TrainingChoices, ranks: Ranks
    ) -> PreparedTraining:
        """Bring a network and data together, and build the module on its device."""
        dataset = open_data(data, recipe.data, recipe.task, choices.on_read) if isinstance(data, str) else data
        spec, graph = None, network
        if isinstance(network, Spec):
            spec, graph, dataset = _fit(network, dataset, recipe, choices, adapt=isinstance(data, str))
        assert isinstance(graph, Graph)
        device = ranks.device if isinstance(ranks, ProcessRanks) else find_device(choices.device)
        module = to_torch(graph, seed=recipe.seed)
        if choices.init is not None:
            begin_from(module, graph, choices.init, choices.reset, may_reset=choices.reshaping is None)
        asked = choices.reshaping.asked if choices.reshaping else {}
        word, init = data if isinstance(data, str) else None, None if choices.init is None else str(choices.init)
        return cls(spec, graph, dataset, module.to(device), choices.on_read, asked, word=word, init=init)

    def reshape(self, choices: TrainingChoices, ranks: Ranks, taken_up: TakenUp | None = None) -> PreparedTraining:
        """Make the network another one, where the choices say so: that of the start, where a training goes on."""
        if choices.reshaping is None:
            return self
        reshaped = ReshapingRun(choices.reshaping, ranks, taken_up).reshape(self.graph, self.module, self.data)
        return replace(self, module=reshaped.module, reshaped=reshaped)

    @property
    def facts(self) -> Mapping[str, str]:
        """The part of the metadata of the weights that says what the network was reshaped to."""
        return self.reshaped.facts if self.reshaped else {}

    def make_ground(self, recipe: Recipe, ranks: Ranks) -> TrainingGround:
        """Make the ground of trainings by recipes with this one's loss."""
        objective = Objective.of(self.data, self.grids, recipe.loss)
        return TrainingGround(self.data, objective, find_roles(self.graph), ranks, self.on_read)

    def identify(self, recipe: Recipe, ranks: Ranks) -> dict[str, Any]:
        """Give the settings that a training which goes on has to have too."""
        return {
            "network": self.graph.digest(),
            "data": identify_data(self.data),
            "recipe": recipe.to_dict(),
            "processes": ranks.size,
            **self.asked,
            **({RESHAPED: self.reshaped.settings} if self.reshaped else {}),
            ORIGIN: {"data": self.data.name, "init": self.init},
        }

    def describe(self, folder: Path, recipe: Recipe, ranks: Ranks, choices: TrainingChoices) -> RunText:
        """Give what a run by a recipe that leaves nothing open says of itself. It needs the spec."""
        assert self.spec is not None
        clock = StepClock.of(recipe, len(self.data.train))
        return RunText(
            spec=to_yaml(self.spec.to_data()),
            recipe=to_yaml(recipe.to_dict()),
            facts={**describe_training(self.graph, self.data, recipe, self.grids), **self.facts},
            settings=self.identify(recipe, ranks),
            epochs=clock.epochs,
            steps=clock.steps,
            keep=recipe.keep_checkpoints,
            again=None if self.word is None else choices.write_command(folder, self.word),
            words=choices.all_words,
        )


def train_network(
    network: Spec | Graph,
    data: Dataset | str,
    recipe: Recipe,
    folder: str | Path | None,
    choices: TrainingChoices,
    callbacks: Sequence[TrainingCallback],
) -> TrainResult:
    """Train a spec or a graph on a data set or that of a name, as archspec.train says; where several processes were
    started for that, as one of them."""
    choices.check(network, folder)
    recipe = choices.settle(recipe)
    if folder is not None and isinstance(data, str):
        _check_apart(Path(folder), Path(data))
    with joining() as ranks:
        if folder is not None and str(choices.resume) == NEVER and ranks.is_main:
            check_vacant(folder, force=choices.force)
        prepared = PreparedTraining.prepare(network, data, recipe, choices, ranks)
        around = Attendance(callbacks if ranks.is_main else (), ranks=ranks)
        if folder is not None:
            return _train_into(Path(folder), prepared, recipe, choices, around)
        prepared = prepared.reshape(choices, ranks)
        ground = prepared.make_ground(recipe, ranks)
        settled = ground.settle(prepared.module, recipe, prepared.graph)
        return replace(run_training(ground, prepared.module, settled, around), facts=prepared.facts)


def _train_into(
    folder: Path, prepared: PreparedTraining, recipe: Recipe, choices: TrainingChoices, around: Attendance
) -> TrainResult:
    """Train into a folder, of which the main process writes all."""
    ranks, resume = around.ranks, str(choices.resume)
    taken_up = None
    if resume != NEVER:
        settings = read_settings(folder, resume)
        recipe = fill_in(recipe, settings.get("recipe"))
        kept = {name: settings[name] for name in (RESHAPED,) if name in settings}  # what was found, not asked for
        taken_up = take_up(folder, resume, {**prepared.identify(recipe, ranks), **kept})
        if isinstance(origin := settings.get(ORIGIN), dict):
            prepared = replace(prepared, init=origin.get("init"))
    prepared = prepared.reshape(choices, ranks, taken_up)
    ground = prepared.make_ground(recipe, ranks)
    recipe = ground.settle(prepared.module, recipe, prepared.graph)
    if taken_up is not None and taken_up.is_whole(folder):  # what is there stays as it is
        result = run_training(ground, prepared.module, recipe, Attendance(ranks=ranks), taken_up)
        return replace(result, facts=prepared.facts)
    ranks.wait()  # until all have read what the main one may change
    interruption, text = Interruption(), prepared.describe(folder, recipe, ranks, choices)
    opened = _open_writer(folder, text, taken_up, force=choices.force) if ranks.is_main else nullcontext()
    with opened as writer, interruption:
        around = replace(around, keeper=writer, interruption=interruption)
        result = run_training(ground, prepared.module, recipe, around, taken_up)
    interruption.end()  # of a signal that came when all was done but the last lines
    return replace(result, facts=prepared.facts)


def search_rate(
    network: Spec | Graph, data: Dataset | str, recipe: Recipe, choices: TrainingChoices, on_step: OnStep = ignore_step
) -> RangeTest:
    """Find a learning rate for a spec or a graph on a data set or that of a name, by a range test; nothing is kept."""
    choices.check(network, None)
    recipe = choices.settle(recipe)
    prepared = PreparedTraining.prepare(network, data, recipe, choices, Ranks()).reshape(choices, Ranks())
    ground = prepared.make_ground(recipe, Ranks())
    return find_rate(ground, prepared.module, ground.settle(prepared.module, recipe, prepared.graph), on_step)


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


def _check_apart(folder: Path, data: Path) -> None:
    """Raises InputError where a run's folder lies in a folder of data, or is it: what lies there is taken for data."""
    if data.is_dir() and folder.resolve().is_relative_to(data.resolve()):
        raise InputError(f"the run would lie among the data, in {data}: choose another folder (-o)")


def _open_writer(folder: Path, text: RunText, taken_up: TakenUp | None, *, force: bool) -> RunWriter:
    if taken_up is None:
        return RunWriter(folder, text, force=force)
    own = folder.resolve() == taken_up.folder.resolve()
    return RunWriter(folder, text, force=force, manifest=taken_up.manifest if own else None, earlier=taken_up.earlier)
