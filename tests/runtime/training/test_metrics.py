"""Metrics are means over images, survive the disk, and what is not theirs is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from archspec.errors import ArchspecError
from runtime.tasks.registry import find_task
from runtime.training.metrics import EvaluatedStep, Measured, Meter, append_metrics
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
    meter = Meter(find_task("labels"))
    for part in (slice(0, 3), slice(3, 4)):
        count = len(losses[part])
        meter.add(count, float(losses[part].mean()), np.array([right[part].sum(), count], np.float64), 0.25)
    assert (meter.loss, meter.metric, meter.score) == (losses.mean(), "accuracy", right.mean())
    assert meter.loss != np.mean([losses[:3].mean(), losses[3]])
    assert meter.images == 4
    assert meter.samples_per_second == 4 / 0.5, "of steps alone"


def test_the_scores_of_an_evaluation_have_their_metrics_names() -> None:
    measured = Measured(7, 0.75, {"pck": 0.125, "mean_distance": 2.0})
    row = EvaluatedStep(20, 2, 0.5, "pck", 0.25, 0.1, 3.0, 7.0, "validation", measured, True).to_dict()
    assert (row["kind"], row["step"], row["epoch"], row["loss"], row["pck"]) == ("evaluation", 20, 2, 0.5, 0.25)
    scores = {"validation_images": 7, "validation_loss": 0.75, "validation_pck": 0.125, "validation_mean_distance": 2.0}
    assert scores.items() < row.items()
    assert {name: row[name] for name in ("learning_rate", "seconds", "samples_per_second", "best")} == {
        "learning_rate": 0.1,
        "seconds": 3.0,
        "samples_per_second": 7.0,
        "best": True,
    }


def test_a_meter_is_taken_up_where_it_was() -> None:
    task = find_task("maps")
    meter = Meter(task)
    counts = np.zeros((256, 256))
    counts[3, 5], counts[1, 1] = 7, 2.5
    meter.add(3, 0.1, counts, 0.5)
    taken_up = Meter.load(task, json.loads(json.dumps(meter.to_dict())))
    assert np.array_equal(taken_up.counts, counts)
    assert (taken_up.images, taken_up.total_loss) == (meter.images, meter.total_loss)
    meter.add(1, 0.7, counts, 0.25)
    taken_up.add(1, 0.7, counts, 0.25)
    assert (taken_up.loss, taken_up.score, taken_up.seconds) == (meter.loss, meter.score, 0.75)
