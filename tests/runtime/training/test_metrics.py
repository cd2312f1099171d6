"""Metrics are means over images, survive the disk, and what is not theirs is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archspec.errors import ArchspecError
from runtime.tasks.registry import find_task
from runtime.training.metrics import Epoch, EpochMeter, append_metrics
from tests.support.metrics import read_metrics


def test_metrics_can_be_read_while_they_come(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append_metrics(path, {"epoch": 1, "loss": 0.5})
    assert read_metrics(path) == [{"epoch": 1, "loss": 0.5}]
    append_metrics(path, {"test_accuracy": 1.0})
    assert read_metrics(path) == [{"epoch": 1, "loss": 0.5}, {"test_accuracy": 1.0}]


def test_metrics_that_cannot_be_written_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("a file")
    with pytest.raises(ArchspecError, match="cannot write"):
        append_metrics(tmp_path / "m" / "below a file", {})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file that is always full")
def test_metrics_on_a_full_disk() -> None:
    with pytest.raises(ArchspecError, match=r"cannot write /dev/full: No space left on device"):
        append_metrics("/dev/full", {"epoch": 1})


def test_means_weigh_each_image_alike() -> None:
    """The witness is numpy's mean over the images; the mean over the steps is the control."""
    losses, right = np.array([1.0, 2.0, 3.0, 10.0]), np.array([1, 0, 0, 1])
    meter = EpochMeter(find_task("labels"))
    for part in (slice(0, 3), slice(3, 4)):
        count = len(losses[part])
        meter.add(count, float(losses[part].mean()), np.array([right[part].sum(), count], np.float64))
    assert (meter.loss, meter.metric, meter.score) == (losses.mean(), "accuracy", right.mean())
    assert meter.loss != np.mean([losses[:3].mean(), losses[3]])
    assert meter.images == 4
    assert 0 < meter.samples_per_second <= 4 / 1e-9


def test_the_score_of_an_epoch_has_its_metrics_name() -> None:
    row = Epoch(2, 0.5, "pck", 0.25, 0.1, 3.0, 7.0).to_dict()
    assert row["pck"] == 0.25
    assert list(row) == ["epoch", "loss", "pck", "learning_rate", "seconds", "samples_per_second"]
