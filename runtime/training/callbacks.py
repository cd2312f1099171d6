"""What hears of a training while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.training.metrics import Progress


class TrainingCallback:
    """A listener of a training; its methods do nothing, and are overridden where something is to be done.

    >>> from runtime.training.callbacks import TrainingCallback
    >>> class Tracker(TrainingCallback):
    ...     def on_metrics(self, row):
    ...         print(row["kind"], row["step"])  # or mlflow.log_metrics(…, step=row["step"])
    """

    def on_step(self, progress: Progress) -> None:
        """Hear of each step, when it is done."""

    def on_metrics(self, row: Mapping[str, Any]) -> None:
        """Hear of each line of the metrics: of a step, an evaluation, and the end; `kind` says of which."""

    def on_checkpoint(self, folder: Path, step: int) -> None:
        """Hear of each checkpoint, when it is whole."""


class StepCallback(TrainingCallback):
    """A function that hears of each step."""

    def __init__(self, hear: Callable[[Progress], None]) -> None:
        self.hear = hear

    def on_step(self, progress: Progress) -> None:
        self.hear(progress)
