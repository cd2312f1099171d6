"""Who hears of a training does nothing unless it says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import archspec
from runtime.training.callbacks import StepCallback, TrainingCallback
from runtime.training.loop import Attendance
from runtime.training.metrics import Progress
from runtime.training.train import train
from tests.support.models import make_data
from tests.support.training import QUICK, change, make_net


def test_a_listener_hears_all_in_order() -> None:
    heard: list[str] = []

    class Listener(TrainingCallback):
        def on_step(self, progress: Progress) -> None:
            heard.append(f"step {progress.step}")

        def on_metrics(self, row: Mapping[str, Any]) -> None:
            heard.append(f"{row['kind']} row {row['step']}")

    steps: list[int] = []
    around = Attendance([Listener(), TrainingCallback(), StepCallback(lambda progress: steps.append(progress.step))])
    train(make_net(), make_data(train=32), change(QUICK, epochs=1), around)
    assert heard == ["step row 1", "step 1", "step row 2", "step 2", "evaluation row 2", "end row 2"]
    assert steps == [1, 2]
    TrainingCallback().on_checkpoint(Path(), 1)
    assert archspec.TrainingCallback is TrainingCallback
