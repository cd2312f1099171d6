"""The recipe of a training as one object."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from runtime.recipes.data import AugmentSection, DataSection
from runtime.recipes.objective import LossSection, MixSection
from runtime.recipes.optimization import Cosine, EarlyStopping, Optimizer, Schedule, Sgd
from runtime.recipes.section import NonNegative, Positive, PositiveNumber, Section, Share


class Recipe(Section):
    """A way to train any network on any data. The defaults suit small networks on small images.

    `epochs` counts passes over the training images, unless `steps` says how many steps are taken. A step sees `batch`
    images (of all processes together), in `accumulate` equal parts. `clip` bounds the gradient's norm; `ema` is the
    decay of the moving average of the weights, which is then what is evaluated and kept. `evaluate_every` is in steps
    (None: after each epoch), `checkpoint_every` too (None: with each evaluation).

    >>> from runtime.recipes.recipe import Recipe
    >>> Recipe(epochs=5, batch=64).optimizer.lr
    0.05
    """

    recipe: Literal[1] = 1
    description: str = ""
    source: str = ""
    task: Literal["labels", "maps", "joints"] | None = None
    epochs: Positive = 30
    steps: Positive | None = None
    batch: Positive | Literal["auto"] = 32
    accumulate: Positive = 1
    optimizer: Optimizer = Field(default_factory=Sgd)
    schedule: Schedule = Field(default_factory=Cosine)
    loss: LossSection = Field(default_factory=LossSection)
    mix: MixSection = Field(default_factory=MixSection)
    data: DataSection = Field(default_factory=DataSection)
    augment: AugmentSection = Field(default_factory=AugmentSection)
    sampling: Literal["uniform", "balanced"] = "uniform"
    clip: PositiveNumber | None = None
    ema: Share | None = None
    precision: Literal["fp32", "bf16", "fp16", "auto"] = "fp32"
    memory_format: Literal["contiguous", "channels_last", "auto"] = "contiguous"
    compile: bool = False
    freeze: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    ramp_drop: bool = False
    sync_batch_norm: bool = False
    fsdp: bool = False
    evaluate_every: Positive | None = None
    checkpoint_every: Positive | None = None
    keep_checkpoints: Positive = 2
    early_stopping: EarlyStopping | None = None
    test_time_augmentation: list[Literal["horizontal", "vertical"]] = Field(default_factory=list)
    seed: NonNegative = 0
    threads: Positive | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the recipe as plain values, whole: what was not written stands there with its default."""
        return self.model_dump()
