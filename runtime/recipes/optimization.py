"""The sections of a recipe that speak of steps: the optimizer and its learning rate."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from runtime.recipes.section import (
    MAX_ENTRIES,
    Count,
    Magnitude,
    OpenPart,
    Part,
    PositiveDecimal,
    RecipeSection,
    StepsOrPart,
    refuse,
)


class _Optimizer(RecipeSection):
    """What every optimizer has."""

    name: str = Field(description="word of the optimizer")
    lr: PositiveDecimal = Field(description="highest learning rate")
    weight_decay: Magnitude = Field(
        5e-4, description="weight decay of kernels and matrices; biases, normalization and tables have none"
    )
    decay_all: bool = Field(False, description="whether weight decay reaches every weight")
    head_lr: PositiveDecimal | None = Field(
        None, description="highest learning rate of the layers that give the outputs; null: `lr`"
    )
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="factor of the learning rate from each layer to the one before it"
    )


class Sgd(_Optimizer):
    """torch.optim.SGD: stochastic gradient descent with momentum."""

    name: Literal["sgd"] = Field("sgd", description="word of the optimizer")
    lr: PositiveDecimal = Field(0.05, description="highest learning rate")
    momentum: OpenPart = Field(0.9, description="share of the velocity that stays in each step")
    nesterov: bool = Field(True, description="whether the momentum is Nesterov's; needs one, and is off without")

    @model_validator(mode="before")
    @classmethod
    def _without_momentum(cls, given: Any) -> Any:
        alone = isinstance(given, dict) and given.get("momentum") == 0 and "nesterov" not in given
        return {**given, "nesterov": False} if alone else given

    @model_validator(mode="after")
    def _check_nesterov(self) -> Sgd:
        if self.nesterov and not self.momentum:
            refuse([("nesterov", "has `nesterov: true`, which needs a `momentum` above 0")])
        return self


class AdamW(_Optimizer):
    """torch.optim.AdamW: Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    name: Literal["adamw"] = Field("adamw", description="word of the optimizer")
    lr: PositiveDecimal = Field(1e-3, description="highest learning rate")
    weight_decay: Magnitude = Field(
        0.05, description="weight decay of kernels and matrices; biases, normalization and tables have none"
    )
    betas: Annotated[list[OpenPart], Field(min_length=2, max_length=2)] = Field(
        [0.9, 0.999], description="shares of the running means of the gradient and of its square that stay in each step"
    )
    eps: PositiveDecimal = Field(1e-8, description="number that is added to the root of the mean square")


class Muon(_Optimizer):
    """torch.optim.Muon for the kernels and matrices of hidden layers, torch.optim.AdamW for all else (Jordan, 2024)."""

    name: Literal["muon"] = Field("muon", description="word of the optimizer")
    lr: PositiveDecimal = Field(0.02, description="highest learning rate of what Muon steps")
    weight_decay: Magnitude = Field(
        0.1, description="weight decay of kernels and matrices; biases, normalization and tables have none"
    )
    momentum: OpenPart = Field(0.95, description="share of the velocity that stays in each step")
    nesterov: bool = Field(True, description="whether the momentum is Nesterov's")
    adamw_lr: PositiveDecimal = Field(1e-3, description="highest learning rate of what AdamW steps")
    head_lr: PositiveDecimal | None = Field(
        None, description="highest learning rate of the layers that give the outputs; null: `adamw_lr`"
    )


def _take_default(name: str) -> BeforeValidator:
    """Make the annotation of a section whose kind is `name` where it does not say one."""

    def fill(given: Any) -> Any:
        return {"name": name, **given} if isinstance(given, dict) else given

    return BeforeValidator(fill)


Optimizer: TypeAlias = Annotated[Sgd | AdamW | Muon, Field(discriminator="name"), _take_default("sgd")]


class _Schedule(RecipeSection):
    """What a schedule with a warm-up has."""

    name: str = Field(description="word of the schedule")
    warmup: StepsOrPart = Field(0.0, description="linear warm-up: steps, or below 1 a share of all steps")


class Cosine(_Schedule):
    """Half a cosine from the highest rate down (Loshchilov and Hutter, 2017)."""

    name: Literal["cosine"] = Field("cosine", description="word of the schedule")
    warmup: StepsOrPart = Field(0.2, description="linear warm-up: steps, or below 1 a share of all steps")
    final: Part = Field(0.0, description="the last rate, as a share of the highest")


class MultiStep(_Schedule):
    """The highest rate, times a factor at each milestone."""

    name: Literal["step"] = Field("step", description="word of the schedule")
    milestones: Annotated[list[StepsOrPart], Field(min_length=1, max_length=MAX_ENTRIES)] = Field(
        description="steps, or below 1 shares of all steps, at which the rate falls"
    )
    gamma: Annotated[float, Field(gt=0, le=1)] = Field(0.1, description="factor of the rate at each milestone")

    @model_validator(mode="after")
    def _check_order(self) -> MultiStep:
        if len({part < 1 for part in self.milestones}) > 1:
            refuse([("milestones", "has milestones in steps and as shares of all steps: take one of the two")])
        pairs = zip(self.milestones, self.milestones[1:], strict=False)
        refuse(
            ("milestones", f"has the milestone {after:g} behind {before:g}: let them grow")
            for before, after in pairs
            if after <= before
        )
        return self


class OneCycle(RecipeSection):
    """Up on half a cosine and down on another one, as OneCycleLR (Smith and Topin, 2018); momentum stays as it is."""

    name: Literal["one_cycle"] = Field("one_cycle", description="word of the schedule")
    pct_start: Annotated[float, Field(gt=0, lt=1)] = Field(0.3, description="share of the steps on the way up")
    div_factor: Annotated[float, Field(ge=1)] = Field(25.0, description="highest rate over the first")
    final_div_factor: Annotated[float, Field(ge=1)] = Field(1e4, description="first rate over the last")


class PolynomialRate(_Schedule):
    """The highest rate times a power of the share of steps that is left (nnU-Net: 0.9)."""

    name: Literal["polynomial"] = Field("polynomial", description="word of the schedule")
    power: PositiveDecimal = Field(0.9, description="power")


class ConstantRate(_Schedule):
    """The same rate throughout."""

    name: Literal["constant"] = Field("constant", description="word of the schedule")


Schedule: TypeAlias = Annotated[
    Cosine | MultiStep | OneCycle | PolynomialRate | ConstantRate, Field(discriminator="name"), _take_default("cosine")
]


class EarlyStopping(RecipeSection):
    """The end of training where evaluations get no better."""

    patience: Count = Field(10, description="evaluations without a better main score after which training ends")
    least: Magnitude = Field(0.0, description="by how much a score has to be better")
