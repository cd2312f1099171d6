"""The recipe of a training, as plain numbers."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from archspec.errors import InputError, raising, tell_value
from archspec.strict_json import check_number
from runtime.recipes.optimization import Cosine, Sgd

POSITIVE = ("epochs", "batch", "threads", "learning_rate")
"""The numbers of a recipe that cannot be 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A way to train. The defaults are chosen by cross-validation within the training digits, and suit small networks.

    `learning_rate` is the highest one, reached after the fraction `warmup` of all steps; `shift` is the largest move of
    an image in pixels; it and `label_smoothing` are for labels alone, which do not move with their image. With
    `ramp_drop` the probability of survival of stochastic depth and ShakeDrop falls in a straight line from 1 to the
    network's own (RandomDrop). `threads` bounds torch's (None: its default), and equal weights need an equal number.

    Raises InputError where a value is of another type, or out of its range.

    >>> from runtime.training.recipe import Recipe
    >>> Recipe(epochs=5, batch=64).to_dict()["learning_rate"]
    0.05
    >>> Recipe(epochs=0)
    Traceback (most recent call last):
    archspec.errors.InputError: epochs must be positive, found 0
    """

    epochs: int = 30
    batch: int = 32
    learning_rate: float = 0.05
    weight_decay: float = 5e-4
    momentum: float = 0.9
    label_smoothing: float = 0.1
    warmup: float = 0.2
    shift: int = 1
    ramp_drop: bool = False
    seed: int = 0
    threads: int | None = None

    @raising(InputError)
    def __post_init__(self) -> None:
        if not isinstance(self.ramp_drop, bool):
            raise InputError(f"ramp_drop must be True or False, found {tell_value(self.ramp_drop)}")
        given = self.to_dict()
        for name in ("epochs", "batch", "shift", "seed", *(() if self.threads is None else ("threads",))):
            if not isinstance(given[name], int) or isinstance(given[name], bool):
                raise InputError(f"{name} must be a whole number, found {tell_value(given[name])}")
            _check_least(name, given[name])
        for name in ("learning_rate", "weight_decay"):
            _check_least(name, check_number(given[name], name))
        for name in ("momentum", "label_smoothing", "warmup"):
            if not 0 <= check_number(given[name], name) < 1:
                raise InputError(f"{name} must be at least 0 and below 1, found {given[name]}")

    @property
    def optimizer(self) -> Sgd:
        """The optimizer."""
        return Sgd(
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            nesterov=self.momentum > 0,
        )

    @property
    def schedule(self) -> Cosine:
        """The schedule of the learning rate."""
        return Cosine(warmup=self.warmup)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def _check_least(name: str, value: float) -> None:
    if value < 0 or (name in POSITIVE and not value):
        raise InputError(f"{name} must be {'positive' if name in POSITIVE else 'at least 0'}, found {value}")
