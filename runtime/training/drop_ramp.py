"""What drops at random, dropping more and more while a network learns (RandomDrop)."""

from __future__ import annotations

from typing import Any

from archspec.errors import InputError
from archspec.extras import extra

with extra("train"):
    from torch import nn


class DropRamp:
    """A context manager that moves the progress of a module's stochastic depth and ShakeDrop from 0 to 1 over the
    steps, where that is wanted; behind it, it is 1. Raises InputError where it is wanted and there is neither."""

    def __init__(self, module: nn.Module, wanted: bool) -> None:
        self.parts: list[Any] = [part for part in module.modules() if hasattr(part, "progress")] if wanted else []
        if wanted and not self.parts:
            raise InputError(
                "ramp_drop: the network has no stochastic depth and no ShakeDrop whose survival could fall slowly"
            )

    def move(self, progress: float) -> None:
        """Set how far training is, from 0 to 1."""
        for part in self.parts:
            part.progress = progress

    def __enter__(self) -> DropRamp:
        return self

    def __exit__(self, *error: object) -> None:
        self.move(1.0)
