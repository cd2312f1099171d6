"""The recipe of a training as one object."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from archspec.errors import InputError
from runtime.recipes.data import AugmentSection, DataSection
from runtime.recipes.objective import LossSection, MixSection
from runtime.recipes.optimization import Cosine, EarlyStopping, Muon, Optimizer, Schedule, Sgd
from runtime.recipes.section import (
    MAX_ENTRIES,
    Count,
    Natural,
    OpenPart,
    PositiveDecimal,
    RecipeSection,
    Text,
    refuse,
    told,
)

EPOCHS = 30
"""The passes over the training images where a recipe does not say how long training is."""

FOR_TASKS = {
    "loss.label_smoothing": ("labels", "maps"),
    "mix.mixup": ("labels",),
    "mix.cutmix": ("labels",),
    "sampling": ("labels", "maps"),
    "augment.auto": ("labels",),
    "loss.class_weights": ("labels", "maps"),
}
"""The keys that mean something for some tasks alone, where they are not off."""
FOR_VOLUMES = ("data.patches", "data.window", "data.spacing", "augment.foreground")
"""The keys that volumes alone have."""

LOSSES = {
    "labels": ("cross_entropy", "focal"),
    "maps": ("cross_entropy", "dice", "dice_cross_entropy", "focal"),
    "joints": ("mse",),
}
"""The losses that there are for a task: `Task.losses`, written down where no task is needed to read a recipe."""


class Recipe(RecipeSection):
    """A way to train any network on any data. The defaults suit small networks on small images.

    Raises InputError where a value is of another type or out of its range, or two of them contradict each other.

    >>> from runtime.recipes.recipe import Recipe
    >>> Recipe(epochs=5, batch=64).optimizer.lr
    0.05
    >>> Recipe(epochs=0)
    Traceback (most recent call last):
    archspec.errors.InputError: `epochs` of a recipe should be at least 1, found 0
    """

    recipe: Literal[1] = Field(1, description="version of the language of recipes")
    description: Text = Field("", description="a sentence for lists of recipes")
    source: Text = Field("", description="who published it, in short")
    task: Literal["labels", "maps", "joints"] | None = Field(None, description="task; null: what the data ask")
    epochs: Count | None = Field(EPOCHS, description="passes over the training images; null where `steps` is given")
    steps: Count | None = Field(None, description="steps of the optimizer, instead of `epochs`")
    batch: Annotated[Count | Literal["auto"], told("a whole number from 1 on, or `auto`")] = Field(
        32, description="images of a step, of all processes together; `auto`: as many as memory holds"
    )
    accumulate: Count = Field(1, description="equal parts of the batch, whose gradients are added up")
    optimizer: Optimizer = Field(default_factory=Sgd, description="optimizer, by its `name`")
    schedule: Schedule = Field(default_factory=Cosine, description="schedule of the learning rate, by its `name`")
    loss: LossSection = Field(default_factory=LossSection, description="loss of each output, and their sum")
    mix: MixSection = Field(default_factory=MixSection, description="two images in one")
    data: DataSection = Field(default_factory=DataSection, description="how images become parts, and are prepared")
    augment: AugmentSection = Field(default_factory=AugmentSection, description="how training images are varied")
    sampling: Literal["uniform", "balanced"] = Field(
        "uniform", description="how images are drawn; `balanced`: every class equally often"
    )
    clip: PositiveDecimal | None = Field(None, description="largest norm of the gradient; null: any")
    ema: OpenPart | None = Field(
        None, description="decay of a moving average of the weights, which is what is evaluated and kept; null: none"
    )
    precision: Literal["fp32", "bf16", "fp16", "auto"] = Field(
        "fp32", description="type of the numbers in a step; `auto`: the fastest of the first steps"
    )
    memory_format: Literal["contiguous", "channels_last", "auto"] = Field(
        "contiguous", description="order in which maps lie; `auto`: the faster one of the first steps"
    )
    compile: bool = Field(
        False, description="whether torch.compile makes the step: minutes at first, and a C++ compiler"
    )
    freeze: Annotated[list[Annotated[Text, Field(min_length=1)]], Field(max_length=MAX_ENTRIES)] = Field(
        default_factory=list, description="names of weights that stay, their beginnings, or patterns with `*`"
    )
    ramp_drop: bool = Field(
        False, description="whether survival in stochastic depth and ShakeDrop falls from 1 to its value"
    )
    sync_batch_norm: bool = Field(
        False, description="whether BatchNorm trains on the statistics of all processes together"
    )
    fsdp: bool = Field(False, description="whether weights, gradients and momenta are shared out among the processes")
    evaluate_every: Count | None = Field(None, description="steps between evaluations; null: each epoch")
    checkpoint_every: Count | None = Field(None, description="steps between checkpoints; null: each evaluation")
    keep_checkpoints: Count = Field(2, description="newest checkpoints that are kept, beside the best")
    early_stopping: EarlyStopping | None = Field(None, description="when training ends early; null: never")
    test_time_augmentation: Annotated[list[Literal["horizontal", "vertical"]], Field(max_length=2)] = Field(
        default_factory=list, description="axes along which images are mirrored too, to average the answers"
    )
    seed: Natural = Field(0, description="chooses everything that is drawn at random")
    threads: Count | None = Field(None, description="threads of torch on the CPU; null: torch's own choice")

    @model_validator(mode="before")
    @classmethod
    def _choose_length(cls, given: Any) -> Any:
        is_open = isinstance(given, dict) and given.get("steps") is not None and "epochs" not in given
        return {**given, "epochs": None} if is_open else given

    @model_validator(mode="after")
    def _check_together(self) -> Recipe:
        refuse(_find_contradictions(self))
        return self

    def check_task(self, task: str) -> None:
        """Raises InputError where the recipe asks what a task, by its name, does not have."""
        problems = [problem for _, problem in self.find_foreign(task)]
        if problems:
            raise InputError("; ".join(problems))

    def find_foreign(self, task: str) -> Iterator[tuple[str, str]]:
        """Find what the recipe asks and a task, by its name, does not have: keys, with what is wrong."""
        if self.loss.name is not None and self.loss.name not in LOSSES.get(task, ()):
            known = " or ".join(f"`{name}`" for name in LOSSES.get(task, ())) or "its own"
            yield "loss.name", f"`loss.name: {self.loss.name}` is no loss of {task}: take {known}, or leave it out"
        for path, tasks in FOR_TASKS.items():
            if task not in tasks and self._asks(path):
                yield path, f"`{path}` is for {' and '.join(tasks)}, not for {task}: leave it out"

    def check_volumes(self) -> None:
        """Raises InputError where the recipe asks of pictures what volumes alone have."""
        asked = [path for path in FOR_VOLUMES if self._find(path) != Recipe()._find(path)]
        if asked:
            raise InputError("; ".join(f"`{path}` is for volumes, and these are none: leave it out" for path in asked))

    def _asks(self, path: str) -> bool:
        """Tell whether a key has another value than its default, and is not off."""
        return self._find(path) not in (0, None, "none", "uniform")

    def _find(self, path: str) -> Any:
        """The value of a key."""
        return reduce(getattr, path.split("."), self)

    def to_dict(self) -> dict[str, Any]:
        """Give the recipe as plain values, whole: what was not written stands there with its default."""
        return self.model_dump()


def _find_contradictions(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Find what contradicts each other: a key, and the end of a sentence on the recipe."""
    if recipe.epochs is not None and recipe.steps is not None:
        yield "steps", "has both `epochs` and `steps`, which say how long training is: write one of them"
    if recipe.epochs is None and recipe.steps is None:
        yield "epochs", "has neither `epochs` nor `steps`, which say how long training is: write one of them"
    batch, parts = recipe.batch, recipe.accumulate
    if isinstance(batch, int) and batch % parts:
        yield "accumulate", f"has `accumulate: {parts}`, which does not divide `batch: {batch}` into equal parts"
    if recipe.fsdp:
        yield from (("fsdp", f"has `fsdp: true` and {text}") for text in _find_unshared(recipe))
    if len(set(recipe.test_time_augmentation)) < len(recipe.test_time_augmentation):
        yield "test_time_augmentation", "mirrors an axis twice in `test_time_augmentation`: once is all there is"
    if recipe.task is not None:
        yield from ((path, f"has `task: {recipe.task}`, and {text}") for path, text in recipe.find_foreign(recipe.task))


def _find_unshared(recipe: Recipe) -> Iterator[str]:
    """Find what weights that are shared out among processes do not allow."""
    if isinstance(recipe.optimizer, Muon):
        yield "`optimizer.name: muon`, which makes whole matrices orthogonal: take sgd or adamw, or leave `fsdp` out"
    if recipe.compile:
        yield "`compile: true`, which is not supported with it: leave one of them out"
    if recipe.memory_format == "channels_last":
        yield "`memory_format: channels_last`, and torch shares out weights in the usual order alone: leave one out"
