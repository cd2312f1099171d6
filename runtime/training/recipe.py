"""How a network is trained, as plain numbers."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from archspec.errors import ArchspecError


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A way to train. The defaults are chosen by cross-validation within the training digits, and suit small networks.

    `learning_rate` is the highest one, reached after the fraction `warmup` of all steps; `shift` is the largest move of
    an image in pixels; it and `label_smoothing` are for labels alone, which do not move with their image. With
    `ramp_drop` the probability of survival of stochastic depth and ShakeDrop falls in a straight line from 1 to the
    network's own (RandomDrop). `threads` bounds torch's (None: its default), and equal weights need an equal number.
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

    def __post_init__(self) -> None:
        positive = ("epochs", "batch", "learning_rate")
        for name in (*positive, "weight_decay", "shift", "seed"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0 or (name in positive and not value):
                raise ArchspecError(f"{name} must be {'positive' if name in positive else 'at least 0'}, found {value}")
        for name in ("momentum", "label_smoothing", "warmup"):
            if not 0 <= getattr(self, name) < 1:
                raise ArchspecError(f"{name} must be at least 0 and below 1, found {getattr(self, name)}")

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)
