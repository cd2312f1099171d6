"""The sections of a recipe that speak of steps: the optimizer and its learning rate."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from runtime.recipes.section import Number, Part, Positive, PositiveNumber, Section, Share

Warmup: TypeAlias = Annotated[int, Field(ge=1)] | Share
"""A number of steps, or below 1 a share of all steps."""


class _Optimizer(Section):
    """What every optimizer has: `lr` is the highest rate; `head_lr` that of the layer that gives the outputs (None: the
    same); with `layer_decay` each layer has the rate of the next one times it (open_clip, BEiT). Weight decay leaves
    out normalization and biases unless `decay_all`."""

    lr: PositiveNumber
    weight_decay: Number = 5e-4
    decay_all: bool = False
    head_lr: PositiveNumber | None = None
    layer_decay: Annotated[float, Field(gt=0, le=1, strict=False)] = 1.0


class Sgd(_Optimizer):
    """torch.optim.SGD."""

    name: Literal["sgd"] = "sgd"
    lr: PositiveNumber = 0.05
    momentum: Share = 0.9
    nesterov: bool = True


class AdamW(_Optimizer):
    """torch.optim.AdamW."""

    name: Literal["adamw"]
    lr: PositiveNumber = 1e-3
    weight_decay: Number = 0.05
    betas: Annotated[list[Share], Field(min_length=2, max_length=2)] = Field(default=[0.9, 0.999])
    eps: PositiveNumber = 1e-8


class Muon(_Optimizer):
    """torch.optim.Muon for kernels and matrices, and AdamW, at `adamw_lr`, for everything else."""

    name: Literal["muon"]
    lr: PositiveNumber = 0.02
    weight_decay: Number = 0.1
    momentum: Share = 0.95
    nesterov: bool = True
    adamw_lr: PositiveNumber = 1e-3


Optimizer: TypeAlias = Annotated[Sgd | AdamW | Muon, Field(discriminator="name")]


class _Schedule(Section):
    """What every schedule has: a linear `warmup`, in steps, or below 1 as a share of all of them."""

    warmup: Warmup = 0.0


class Cosine(_Schedule):
    """Half a cosine down to `final` times the highest rate (Loshchilov and Hutter, 2017)."""

    name: Literal["cosine"] = "cosine"
    warmup: Warmup = 0.2
    final: Part = 0.0


class Step(_Schedule):
    """The rate times `gamma` at each of the `milestones`: steps, or below 1 shares of all steps."""

    name: Literal["step"]
    milestones: Annotated[list[Warmup], Field(min_length=1)]
    gamma: Annotated[float, Field(gt=0, le=1, strict=False)] = 0.1


class OneCycle(_Schedule):
    """Up for `pct_start` of all steps and down again, as torch.optim.lr_scheduler.OneCycleLR (Smith, 2018)."""

    name: Literal["one_cycle"]
    pct_start: Annotated[float, Field(gt=0, lt=1, strict=False)] = 0.3
    div_factor: PositiveNumber = 25.0
    final_div_factor: PositiveNumber = 1e4


class Polynomial(_Schedule):
    """The rate times (1 - step / steps) to the `power` (nnU-Net: 0.9)."""

    name: Literal["polynomial"]
    power: PositiveNumber = 0.9


class Constant(_Schedule):
    """The same rate throughout."""

    name: Literal["constant"]


Schedule: TypeAlias = Annotated[Cosine | Step | OneCycle | Polynomial | Constant, Field(discriminator="name")]


class EarlyStopping(Section):
    """The end of training after `patience` evaluations whose main score is no better than the best by more than
    `least`."""

    patience: Positive = 10
    least: Number = 0.0
