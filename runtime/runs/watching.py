"""What is written of a training while it goes on: its curves and its page, and TensorBoard's events."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from archspec.errors import ArchspecError, MissingExtra
from archspec.extras import extra
from archspec.log import warn
from runtime.runs.drawing import draw_run
from runtime.training.callbacks import TrainingCallback

LEAST_PAUSE = 60.0
"""The least time before a drawing of a run that goes on, in seconds, and at least twenty times what the last took."""

EVENTS = "tensorboard"
"""The folder of TensorBoard's events in a run."""


class RunPainter(TrainingCallback):
    """Draws a run with its checkpoints, not more often than it is worth, and at its end; what cannot be drawn is told
    once, and training goes on. Without matplotlib it draws nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._pause, self._last, self._told = folder, LEAST_PAUSE, time.monotonic(), False

    def on_checkpoint(self, folder: Path, step: int) -> None:
        if time.monotonic() - self._last >= self._pause:
            self._draw()

    def on_metrics(self, row: Mapping[str, Any]) -> None:
        if row["kind"] == "end":
            self._draw()

    def _draw(self) -> None:
        start = time.monotonic()
        self._try()
        self._last = time.monotonic()
        self._pause = max(LEAST_PAUSE, 20 * (self._last - start))

    def _try(self) -> None:
        try:
            draw_run(self.folder)
        except MissingExtra:
            return
        except ArchspecError as error:
            if not self._told:
                warn(f"the curves of {self.folder} are not drawn: {error}")
            self._told = True


class EventWriter(TrainingCallback):
    """Writes each number of the metrics as a scalar of TensorBoard, `training/loss` and the like, by step. Raises
    MissingExtra without tensorboard."""

    def __init__(self, folder: Path) -> None:
        with extra("tensorboard"):
            import tensorboard  # noqa: F401  (torch's own message does not name the extra)
            from torch.utils.tensorboard import SummaryWriter
        self._make = partial(SummaryWriter, log_dir=str(folder / EVENTS))
        self._writer: Any = None  # until there is something to write, and a folder to write it in

    def on_metrics(self, row: Mapping[str, Any]) -> None:
        self._writer = self._writer or self._make()
        for name, value in row.items():
            if name not in ("step", "best") and isinstance(value, int | float) and not isinstance(value, bool):
                self._writer.add_scalar(_name_scalar(name), value, row["step"])
        if row["kind"] != "step":
            self._writer.flush()
        if row["kind"] == "end":
            self._writer.close()


def _name_scalar(name: str) -> str:
    """Put a figure into the group of the part of the data that it is of."""
    part, _, rest = name.partition("_")
    return f"{part}/{rest}" if part in ("test", "validation") and rest else f"training/{name}"
